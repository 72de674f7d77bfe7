/*
 * The algorithm of src/raw.rs for the model checker Spin: a second opinion,
 * by another tool than loom and from another text than the Rust sources.
 * `cargo xtask spin` runs it; the numbers in brackets are those of src/raw.rs.
 *
 * WHAT IS IN IT. Three slots and their tasks. A task opens a section, finds
 * objects, unlinks and retires its own, leaves, settles; publishes (choose,
 * push, add the count), steals (take, second look, push back), hands over to
 * limbo and adopts, flushes. With -DEVICT the third task may be killed in a
 * section or after a retire; an evictor then clears its flag, hands its batch
 * over and leaves its inbox to thieves, and the slot gets a new owner.
 * -DROBUST adds eras, -DNOW the retire that reclaims at once, -DREFRESH the
 * quiescent point.
 *
 * MEMORY. Promela is sequentially consistent. What the argument turns on is
 * store buffering, so each task has a store buffer of one entry, emptied at
 * any time by `memory`: its plain stores (active flag, era, the unlinking) may
 * become visible after its later loads. A Release operation and a barrier of
 * its own empty it first; an Acquire exchange does not. With -DASYM, LIGHT
 * does nothing and HEAVY empties all buffers, one after the other (membarrier,
 * an interrupt to all cores). Loads out of order are not in it: loom and the
 * litmus tests have those.
 *
 * WHAT IS CHECKED. No object is reclaimed that a section holds (`holds` is set
 * with the load, cleared with the store of a leave); none is reclaimed twice;
 * no header is touched after the reclaim; when all have left and flushed,
 * every retired object is reclaimed and every inbox, batch and limbo is empty.
 * No run gets stuck (Spin's invalid end states). With -DLIVE, in LTL: every
 * run comes to that end (weak fairness).
 *
 * BOUNDS. Three slots; one or two sections a task (TURNS0 to TURNS2), each of
 * which reads or retires (READS, RETIRES); up to three objects; batches of one
 * or two (BATCH); one kill, not in the middle of a publish or flush. Each
 * search is full: no bit state hashing, no depth cut off, which xtask reads in
 * Spin's report. Objects are not used again after their reclaim.
 *
 * MUTATIONS, each found by Spin: NO_LIGHT, NO_HEAVY, LEAVE_UNORDERED,
 * NO_SECOND_LOOK, COUNT_EARLY, NO_LAST_HEAVY, NO_LAST_LOOK, NO_ADOPT,
 * REFRESH_HOLDS, EVICT_ALIVE, NO_LIGHT_IN_PROTECT, NO_ERA_LOOK, NO_COVER.
 */

#ifndef BATCH
#define BATCH 1
#endif
#ifndef TURNS0          /* what each task does so often: read or retire */
#define TURNS0 1
#endif
#ifndef TURNS1
#define TURNS1 1
#endif
#ifndef TURNS2
#define TURNS2 1
#endif
#ifndef READS           /* the tasks that read, as bits, and that retire */
#define READS 7
#endif
#ifndef RETIRES
#define RETIRES 7
#endif

#define N 3             /* slots, and tasks */
#define OBJECTS 3
#define ZERO 8          /* a count of no references; it may go below */

/* An object: its place in the program, and its header. */
#define LINKED 0
#define RETIRED 1
#define RECLAIMED 2
byte state[OBJECTS + 1];
byte chain[OBJECTS + 1];        /* ring of a batch, or list of limbo */
byte next[OBJECTS + 1];         /* in an inbox; or the slot that choose noted */
byte counting[OBJECTS + 1];     /* a cell's counting object, 0: itself */
byte count[OBJECTS + 1];

/* Slots. */
byte flag[N];
byte inbox[N];
byte limbo;
/* A place where objects are found; task i alone stores to root i. */
byte root[N];

/* Store buffers, of the tasks and the evictor: where (0: empty) and what. */
#define ACTIVE(slot) (1 + slot)
#define ROOT(slot) (1 + N + slot)
#define MARK(slot) (1 + 2 * N + slot)
byte where[N + 1];
byte what[N + 1];

/* What a section holds: one object that it found, one of its own. */
byte holds[N];
byte owns[N];
byte done;                      /* tasks at their end */

#ifdef ROBUST
byte clock = 1;
byte mark[N];
byte birth[OBJECTS + 1];
#define NEVER 255
#endif

inline drain(who) {             /* the store buffer of one */
  if
  :: where[who] == 0
  :: where[who] > 0 && where[who] <= N -> flag[where[who] - 1] = what[who]
  :: where[who] > N && where[who] <= 2 * N -> root[where[who] - 1 - N] = what[who]
#ifdef ROBUST
  :: where[who] > 2 * N -> mark[where[who] - 1 - 2 * N] = what[who]
#endif
  fi;
  where[who] = 0; what[who] = 0
}

inline store(address, value) {
  d_step { drain(me); where[me] = address; what[me] = value }
}

/* A load of a flag: one's own stores are seen first. */
#define IS_ACTIVE(slot) (where[me] == ACTIVE(slot) -> what[me] : flag[slot])

inline light() {
#if !defined(NO_LIGHT) && !defined(ASYM)
  d_step { drain(me) }
#else
  skip
#endif
}

#ifdef ASYM
#define DRAIN d_step { drain(me) }; d_step { drain(0) }; d_step { drain(1) }; d_step { drain(2) }
#else
#define DRAIN d_step { drain(me) }
#endif

/* HEAVY of publish and retire_now; of the end of a flush. */
#ifdef NO_HEAVY
#define HEAVY skip
#else
#define HEAVY DRAIN
#endif
#ifdef NO_LAST_HEAVY
#define LAST_HEAVY skip
#else
#define LAST_HEAVY DRAIN
#endif

#include "algorithm.pml"

inline enter() {
#ifdef ROBUST
  store(MARK(me), clock);
#endif
  store(ACTIVE(me), 1);
  light()
}

/* Release: the store comes after all that the section did (2). */
inline leave() {
#ifdef LEAVE_UNORDERED
  store(ACTIVE(me), 0);
  d_step { holds[me] = 0; owns[me] = 0 };
#else
  d_step { holds[me] = 0; owns[me] = 0; drain(me); where[me] = ACTIVE(me) };
#endif
  settle()
}

#define VALUE(place) (where[me] == ROOT(place) -> what[me] : root[place])

/* Loads a pointer: from here on the section may use the object. */
inline protect(place) {
#ifdef ROBUST
  do
  :: true ->
    k = VALUE(place);
    if
#ifndef NO_ERA_LOOK
    :: (where[me] == MARK(me) -> what[me] : mark[me]) < clock ->
      store(MARK(me), clock);
#ifndef NO_LIGHT_IN_PROTECT
      light()
#endif
#endif
    :: else -> d_step { holds[me] = k; assert(state[k] != RECLAIMED); k = 0 }; break
    fi
  od
#else
  d_step { holds[me] = VALUE(place); assert(state[holds[me]] != RECLAIMED) }
#endif
}

/*
 * The end of a section; or of a task, which the evictor then follows: it has
 * the store buffer 3. The rest of this task is the slot's new owner.
 */
inline leave_or_die() {
#ifdef EVICT
  if
  :: me == 2 && !killed ->
    /* What stops a task for good also empties its store buffer. */
    d_step {
      drain(me); killed = true;
#ifndef EVICT_ALIVE
      holds[me] = 0; owns[me] = 0
#endif
    };
    d_step { where[3] = ACTIVE(2); what[3] = 0 };
    d_step { drain(3) };        /* Release, of limbo and of `claimed` */
    if
    :: last == 0
    :: last != 0 -> to_limbo()
    fi;
#ifdef EVICT_ALIVE
    d_step { holds[me] = 0; owns[me] = 0 }
#endif
  :: leave()
  fi
#else
  leave()
#endif
}

/* In robust mode it is made by the section that retires it. */
inline make() {
#ifdef ROBUST
  clock++;
  birth[mine] = clock;
  store(ROOT(me), mine)
#else
  skip
#endif
}

inline protect_any() {
  if
  :: RETIRES & 1 -> protect(0)
  :: RETIRES & 2 -> protect(1)
  :: RETIRES & 4 -> protect(2)
  fi
}

/* What a task does: read, or retire. */
inline read() {
  enter();
  protect_any();
#ifdef REFRESH
  /* The quiescent point: the slot stays active (4). */
#ifdef REFRESH_HOLDS
  settle();
  holds[me] = 0;
#else
  holds[me] = 0;
  settle();
#endif
  protect_any();
#endif
  leave_or_die()
}

inline unlink_and_retire() {
  enter();
  make();
  d_step { owns[me] = mine; state[mine] = RETIRED; drain(me); where[me] = ROOT(me) };
  d_step { join(mine); mine = 0 };
  if
  :: room == 0 -> publish_local()
  :: else
  fi;
  leave_or_die()
}

/* Handle::retire: at once, if no other slot is active. */
inline unlink_and_retire_now() {
  make();
  d_step { state[mine] = RETIRED; drain(me); where[me] = ROOT(me) };
  HEAVY;
  do
  :: j < N ->
    if
    :: j != me && IS_ACTIVE(j) ->
#ifdef ROBUST
      if
      :: mark[j] >= birth[mine] -> break
      :: else
      fi
#else
      break
#endif
    :: else
    fi;
    j++
  :: else -> break
  od;
  if
  :: j < N ->
    d_step { join(mine); mine = 0; j = 0 };
    if
    :: room == 0 -> publish_local()
    :: else
    fi
  :: else ->
    d_step { chain[mine] = mine; reclaim(mine); mine = 0; j = 0 };
    if
    :: last != 0 -> publish()
    :: else
    fi
  fi
}

proctype task(byte me; byte turns) {
  byte mine = me + 1;
  byte last, room = BATCH, j, k, r, s, cell, chosen, missing, ring, taken, list, pushed;
  bool may, put, left, killed;
#ifdef ROBUST
  byte oldest = NEVER;
#endif

  do
  :: turns > 0 ->
    turns--;
    if
    :: READS & (1 << me) -> read()
#ifdef NOW
    :: mine != 0 && RETIRES & (1 << me) -> unlink_and_retire_now()
#endif
    :: mine != 0 && RETIRES & (1 << me) -> unlink_and_retire()
    fi
  :: turns == 0 -> break
  od;
  flush();
  assert(last == 0);
  atomic {
    done++;
    if
    :: done == N ->
      assert(limbo == 0);
      for (s : 0 .. 2) { assert(inbox[s] == 0) }
      for (s : 1 .. OBJECTS) { assert(state[s] != RETIRED) }
    :: else
    fi
  }
}

/* Empties a buffer, at any time. */
proctype memory() {
end:
  do
  :: d_step { where[0] != 0 -> drain(0) }
  :: d_step { where[1] != 0 -> drain(1) }
  :: d_step { where[2] != 0 -> drain(2) }
#ifdef EVICT
  :: d_step { where[3] != 0 -> drain(3) }
#endif
  od
}

init {
  byte i;
  atomic {
#ifndef ROBUST
    for (i : 0 .. 2) { root[i] = i + 1 }
#endif
    i = 0;
    run task(0, TURNS0); run task(1, TURNS1); run task(2, TURNS2);
    run memory();
  }
}

#ifdef LIVE
ltl end { <> (done == N) }
#endif
