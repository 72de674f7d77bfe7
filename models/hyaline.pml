/*
 * The algorithm of src/raw.rs for the model checker Spin: an independent check
 * with another tool than loom and from another text than the Rust sources.
 * `cargo xtask spin` runs it; the numbers in brackets are those of src/raw.rs.
 *
 * SCOPE. Three slots and their tasks, and a sweeper without sections. What a
 * task does, and how often, is its program (TASK0 to TASK3): it reads in a
 * section, with a quiescent point or without; unlinks its object and retires it
 * in a section, with a publish or without one; retires it at once; waits for a
 * grace period and then reclaims the object itself; collects; forwards what
 * waits at slots, as a context in which no reclaimer runs; dies in its section,
 * is evicted and has a new owner. Sections have numbers, incremented on demand.
 * Chains walk, and wait in the inbox of the first slot that is open. Slots of
 * EAGER reclaim what waited for their sections, the others leave it to others.
 * With -DNESTED the first slot's contexts nest: an interrupt comes between any
 * two steps of its task. -DROBUST adds eras. With -DLIMIT a call runs one
 * reclaimer and leaves the rest over.
 *
 * MEMORY. Promela is sequentially consistent. The argument is about store
 * buffering, so each core has a store buffer of one entry, which `memory`
 * empties at any time: its plain stores (sections, eras, the unlinking) may
 * become visible after its later loads, and two to one word at once. Another
 * store and the core's own barriers empty it first. A read-modify-write does
 * not: it is visible at once, and a take (Acquire) empties the buffer of the
 * core that pushed what is taken (Release). With -DASYM the light barrier does
 * nothing and the heavy barrier empties all buffers, one after another
 * (membarrier, an interrupt to all cores). Loads out of order are not modelled:
 * loom and the litmus tests check those. The flag `wanted` has no buffer.
 *
 * A stack, an inbox, a hand is a set of objects: the links in the headers are
 * accessed only by the task that has them. Each object has its chain's note.
 *
 * PROPERTIES. No object is reclaimed that a section holds (`holds` is set with
 * the load, cleared with the store of a leave); none is reclaimed twice, none
 * is in two words. When all tasks are done, and one collect has begun after
 * that, every object is reclaimed and every stack, inbox and hand is empty;
 * with -DEACH, when all have collected after their last section, at the same
 * time. With -DBOUND=n, a chain or a token waits at a slot for at most n
 * sections that began after the call that left it there had returned. No run
 * gets stuck (Spin's invalid end states).
 *
 * BOUNDS. Each search is exhaustive, without bitstate hashing and without a
 * depth limit: xtask checks Spin's report for it. The programs are in xtask.
 * One object for each slot, which is not used again after its reclaim. Numbers
 * have five bits, with -DWRAP one.
 *
 * NOT MODELLED: the clock in two words, `high_water`, hints that skip eight
 * slots, panics, handles that are registered and released (except for the
 * death), a reclaimer that retires, pools.
 *
 * MUTATIONS: the macros that xtask lists with an error. Spin finds each.
 */

#ifndef TASK0                   /* programs: READ + 16 * (COLLECT + 16 * 0) */
#define TASK0 0
#endif
#ifndef TASK1
#define TASK1 0
#endif
#ifndef TASK2
#define TASK2 0
#endif
#ifndef TASK3                   /* the sweeper */
#define TASK3 0
#endif
#ifndef IRQ                     /* the interrupt */
#define IRQ 0
#endif
#define READ 1                  /* a section that finds an object */
#define RETIRE 2                /* in a section; publishes */
#define PUSH 3                  /* in a section; does not publish */
#define NOW 4                   /* Handle::retire */
#define COLLECT 5
#define TOKEN 6                 /* a grace period, then reclaims the object */
#define REFRESH 7               /* a section, a quiescent point, a section */
#define SCAVENGE 8              /* of a context in which no reclaimer runs */
#define DIE 9                   /* a section that ends in an eviction */
#define TICK 10                 /* the next era begins */
#define PUBLISH 11              /* also what others left */
#define TWICE 12                /* a section that finds two objects */
#define IN_SECTION (step <= PUSH || step == REFRESH || step == DIE || step == TWICE)
#define CLOSE 14                /* one collect, when the others are done */

#ifndef EAGER                   /* slots, as bits; the sweeper is eager */
#define EAGER 7
#endif
#define IS_EAGER(slot) ((EAGER | 8) & (1 << (slot)))
#ifndef PLACES                  /* the roots that readers load, as bits */
#define PLACES 1
#endif

#define N 3                     /* slots; tasks without the sweeper; objects */
#define BIT(object) (1 << ((object) - 1))

/* The section word. */
#define DEPTH(word) ((word) & 7)
#define NUMBER(word) ((word) >> 3)
#ifdef WRAP
#define RENUMBERED(word) (((word) + 8) & 15)
#else
#define RENUMBERED(word) ((word) + 8)
#endif
/* An object, and its header. */
#define LINKED 0
#define RETIRED 1
#define RECLAIMED 2
byte state[N + 1];
byte by[N + 1];                 /* the task that pushed it */
#ifndef ROBUST
byte note[N + 1];               /* the number of the section it waits for */
#endif

/* Slots. */
byte section[N];
byte inbox[N];
byte retired[N + 1];
bit wanted[N];
byte left_over;
/* Where objects are found; only task i stores to root i. */
byte root[N];

/* Store buffers: where (0: empty) and what. */
#define SECTION(slot) (1 + slot)
#define ROOT(slot) (1 + N + slot)
#define BEGAN(slot) (1 + 2 * N + slot)
#define ACCESS(slot) (1 + 3 * N + slot)
byte where[N + 1];
byte what[N + 1];

/* What each context holds: the tasks and the interrupt. */
byte holds[N + 1];
byte done;                      /* tasks that have ended */
#ifdef NESTED
bit interrupted;
#define ALL 5
/* The interrupt may come in between, or not. */
#define TOGETHER
#else
#define ALL 4
#define TOGETHER atomic
#endif

#ifdef ROBUST
byte clock = 1;
byte began[N];
byte access[N];
byte birth[N + 1];
byte retired_in[N + 1];
#endif
#ifdef BOUND
byte session[N];                /* sections so far */
byte shown[N];                  /* those that are visible to others */
byte later[N + 1];              /* those that an object waited for, and that began
                                   after the call that left it there was over */
byte waits_for[N + 1];          /* the last of them */
#define CALLING 255             /* the call is not over */
#endif

inline drain(who) {             /* the store buffer of one */
  if
  :: where[who] == 0
  :: where[who] > 0 && where[who] <= N ->
    section[where[who] - 1] = what[who];
#ifdef BOUND
    shown[where[who] - 1] = session[where[who] - 1]
#endif
  :: where[who] > N && where[who] <= 2 * N -> root[where[who] - 1 - N] = what[who]
#ifdef ROBUST
  :: where[who] > 2 * N && where[who] <= 3 * N -> began[where[who] - 1 - 2 * N] = what[who]
  :: where[who] > 3 * N -> access[where[who] - 1 - 3 * N] = what[who]
#endif
  fi;
  where[who] = 0; what[who] = 0
}

inline put(address, value) {
  if
  :: where[me] == address
  :: else -> drain(me)
  fi;
  where[me] = address; what[me] = value
}

inline store(address, value) { d_step { put(address, value) } }

/* Loads: a core sees its own stores first. */
#define LOOK(slot) (where[me] == SECTION(slot) -> what[me] : section[slot])
#define FOUND(place) (where[me] == ROOT(place) -> what[me] : root[place])

#ifdef ASYM
#define LIGHT_BARRIER skip
#define DRAIN d_step { drain(me) }; d_step { drain(0) }; d_step { drain(1) }; d_step { drain(2) }
#else
#define LIGHT_BARRIER d_step { drain(me) }
#define DRAIN d_step { drain(me) }
#endif

/* The heavy barriers of a publish and of a token; of the end of a collect. */
#ifdef NO_HEAVY
#define HEAVY_BARRIER skip
#else
#define HEAVY_BARRIER DRAIN
#endif
#ifdef NO_LAST_HEAVY
#define LAST_HEAVY skip
#else
#define LAST_HEAVY DRAIN
#endif

#include "algorithm.pml"

/* The slot's eras at the start of a section. */
inline enter_eras() {
#ifdef ROBUST
  now = clock;
  store(BEGAN(me), now);
  store(ACCESS(me), now);
  now = 0
#else
  skip
#endif
}

inline enter(is_irq) {
  TOGETHER {
    own = LOOK(me);
#ifdef ROBUST
  };
#endif
    if
    :: DEPTH(own) == 0 -> enter_eras()
    :: else
    fi;
#ifdef ROBUST
  TOGETHER {
#endif
    d_step {
      put(SECTION(me), own + 1);
#ifdef BOUND
      if
      :: DEPTH(own) == 0 -> session[me]++
      :: else
      fi
#endif
    }
  };
#ifdef NO_LIGHT
  skip;
#else
#ifdef NO_NESTED_LIGHT
  if
  :: is_irq && DEPTH(own) != 0
  :: else -> LIGHT_BARRIER
  fi;
#else
  LIGHT_BARRIER;
#endif
#endif
  own = 0
}

/* Release: the store comes after everything that the section did (2). */
inline leave(context) {
#ifdef LEAVE_UNORDERED
  TOGETHER { own = LOOK(me); store(SECTION(me), own - 1) };
  holds[context] = 0;
#else
  TOGETHER { own = LOOK(me); d_step { holds[context] = 0; put(SECTION(me), own - 1) } };
#endif
  own = 0;
  if
  :: wanted[me] -> section_over()
  :: else
  fi
}

inline section_over() {
  own = LOOK(me);
  if
  :: DEPTH(own) != 0
  :: else ->
    wanted[me] = 0;
#ifndef NOT_COUNTED
    store(SECTION(me), RENUMBERED(own));
#endif
    if
    :: IS_EAGER(me) -> drain_inbox()
    :: else
    fi
  fi;
  own = 0
}

/* The quiescent point. */
/* In robust mode a section of an earlier era ends, too. */
#ifdef ROBUST
#define IS_OLD ((where[me] == BEGAN(me) -> what[me] : began[me]) != clock)
#else
#define IS_OLD false
#endif

inline refresh(context) {
#ifndef REFRESH_HOLDS
  holds[context] = 0;
#endif
  if
  :: wanted[me] || IS_OLD ->
    own = LOOK(me);
    if
    :: DEPTH(own) == 1 ->
      wanted[me] = 0;
      enter_eras();
      d_step {
        put(SECTION(me), RENUMBERED(own));
#ifdef BOUND
        session[me]++
#endif
      };
#ifndef NO_REFRESH_LIGHT
      LIGHT_BARRIER;
#endif
      if
      :: IS_EAGER(me) -> drain_inbox()
      :: else
      fi
    :: else
    fi;
    own = 0
  :: else
  fi;
#ifdef REFRESH_HOLDS
  holds[context] = 0
#endif
}

/* Moves the access era, in the middle of a section. */
inline raise() {
#ifdef ROBUST
  TOGETHER { now = clock; store(ACCESS(me), now) };
  now = 0;
#ifndef NO_RAISE_LIGHT
  LIGHT_BARRIER
#endif
#endif
}

#define IS_ACCESS (where[me] == ACCESS(me) -> what[me] : access[me])

/* Loads a pointer: from here on the section may use the object. */
inline protect(context, place) {
#ifdef ROBUST
  do
  :: true ->
#ifdef ERA_AFTER
    found = FOUND(place);
    TOGETHER { now = IS_ACCESS; may = (now == clock) };
#else
    TOGETHER { now = IS_ACCESS; found = FOUND(place) };
    may = (now == clock);
#endif
#ifdef NO_ERA_LOOK
    may = true;
#endif
    now = 0;
    if
    :: may ->
      hold(context);
      may = false;
      break
    :: else -> raise(); found = 0
    fi
  od
#else
  found = FOUND(place);
  hold(context)
#endif
}

inline hold(context) {
  d_step {
    k = found; found = 0;
    if
    :: k == 0
    :: else -> assert(state[k] != RECLAIMED); holds[context] = holds[context] | BIT(k)
    fi;
    k = 0
  }
}

inline protect_any(context) {
  if
  :: PLACES & 1 -> protect(context, 0)
  :: PLACES & 2 -> protect(context, 1)
  :: PLACES & 4 -> protect(context, 2)
  fi
}

/* In robust mode it is made by the task that retires it, or (OLD) was. */
inline make() {
#if defined(ROBUST) && !defined(OLD)
  clock++;
  birth[mine] = clock;
  store(ROOT(me), mine)
#else
  skip
#endif
}

/* Makes the section hold what it retires. */
inline protect_own() {
#if defined(ROBUST) && !defined(NO_OWN_RAISE)
  if
  :: IS_ACCESS < birth[mine] -> raise()
  :: else
  fi
#else
  skip
#endif
}

inline unlink_and_push() {
  make();
  d_step { holds[me] = holds[me] | BIT(mine); state[mine] = RETIRED; put(ROOT(me), 0) };
  protect_own();
  d_step { push(retired[me], BIT(mine)); mine = 0 }
}

inline unlink_and_retire_now() {
  make();
  d_step { state[mine] = RETIRED; put(ROOT(me), 0); over = BIT(mine); mine = 0 };
  HEAVY_BARRIER;
  note_retired(over);
  walk(over, 0, me);
  reclaim(over);
  drain_hand()
}

/* A grace period, for an object that only its task unlinks. */
inline wait_for_grace() {
  make();
  d_step { state[mine] = RETIRED; put(ROOT(me), 0) };
  HEAVY_BARRIER;
  do
  :: j < N ->
    atomic {
      seen = LOOK(j);
      may = DEPTH(seen) == 0 || (is_noted && NUMBER(seen) != noted);
      noted = NUMBER(seen); seen = 0;
#ifdef BOUND
      if
      :: may -> later[mine] = 0; waits_for[mine] = 0
      :: !may && is_noted && shown[j] > waits_for[mine] ->
        waits_for[mine] = shown[j]; later[mine]++
      :: else
      fi;
      assert(later[mine] <= BOUND)
#endif
    };
    if
    :: may -> may = false; is_noted = false; noted = 0; j++
    :: else ->
      want(j);
#ifdef BOUND
      if
      :: is_noted
      :: else -> waits_for[mine] = session[j]
      fi;
#endif
      is_noted = true
    fi
  :: else -> break
  od;
  j = 0;
  d_step { over = BIT(mine); run_reclaimers(over); over = 0; mine = 0 }
}

/*
 * The task stops permanently, which also empties its store buffer. The evictor
 * uses the sweeper's buffer. The rest of this task is the new owner.
 */
inline die() {
  d_step {
    drain(me);
#ifndef EVICT_ALIVE
    holds[me] = 0;
#endif
    own = section[me]
  };
  d_step { drain(N); where[N] = SECTION(me); what[N] = RENUMBERED(own & ~7) };
  d_step { drain(N) };          /* Release, of `claimed` */
#ifdef EVICT_ALIVE
  holds[me] = 0;
#endif
  own = 0
}

inline nothing_left() {
  d_step {
    assert(left_over == 0);
    for (o : 0 .. N - 1) { assert(inbox[o] == 0); assert(retired[o] == 0) }
    for (o : 1 .. N) { assert(state[o] != RETIRED) }
    o = 0
  }
}

inline finish() {
  atomic {
    done++;
#ifdef EACH
    if
    :: done == ALL -> nothing_left()
    :: else
    fi
#endif
  }
}

proctype task(byte me; int program)
#ifdef NESTED
  provided (!interrupted || _pid != 1)
#endif
{
  byte mine = me + 1;
  byte j, i, k, o, own, seen, held, chain, over, hand, found, noted;
  bool may, is_noted;
#ifdef ROBUST
  byte now, since, until;
#endif
#ifdef BOUND
  byte saw;
#endif
  byte step;

  do
  :: program != 0 ->
    d_step { step = program & 15; program = program >> 4 };
    if
    :: IN_SECTION ->
      enter(false);
      if
      :: step == RETIRE || step == PUSH -> unlink_and_push()
      :: step == REFRESH -> protect_any(me); refresh(me)
      :: step == TWICE -> protect_any(me)
      :: else
      fi;
      if
      :: step == RETIRE || step == PUSH
      :: else -> protect_any(me)
      fi
    :: step == NOW -> unlink_and_retire_now()
    :: step == TOKEN -> wait_for_grace()
#ifdef ROBUST
    :: step == TICK -> clock++
#endif
    :: else
    fi;
    if
    :: step == CLOSE ->
      done == ALL - 1;
      d_step { drain(0); drain(1); drain(2); drain(3) }
    :: else
    fi;
    if
    :: step == RETIRE || step == PUBLISH -> advance(false); drain_hand()
    :: step == SCAVENGE -> advance(true)
    :: step == COLLECT || step == CLOSE -> collect()
    :: else
    fi;
    if
    :: step == CLOSE -> nothing_left()
    :: step == DIE -> die()
    :: IN_SECTION && step != DIE -> leave(me)
    :: else
    fi;
    step = 0
  :: else -> break
  od;
  finish()
}

#ifdef NESTED
/*
 * On the first slot, between any two steps of its task, or not at all.
 */
proctype irq(int program) {
  byte me = 0;
  byte j, i, k, o, own, seen, held, chain, over, hand, found;
  bool may;
#ifdef ROBUST
  byte now, since, until;
#endif
#ifdef BOUND
  byte saw;
#endif
  byte step;

  do
  :: program != 0 ->
    atomic { step = program & 15; program = program >> 4; interrupted = true };
    enter(true);
    protect_any(N);
    if
    :: step == REFRESH -> refresh(N); protect_any(N)
    :: else
    fi;
    leave(N);
    atomic { step = 0; interrupted = false }
  :: true -> break
  od;
  program = 0;
  finish()
}
#endif

/* Empties a buffer at any time. */
proctype memory() {
end:
  do
  :: d_step { where[0] != 0 -> drain(0) }
  :: d_step { where[1] != 0 -> drain(1) }
  :: d_step { where[2] != 0 -> drain(2) }
  :: d_step { where[3] != 0 -> drain(3) }
  od
}

init {
  byte i;
  atomic {
#if !defined(ROBUST) || defined(OLD)
    for (i : 0 .. 2) { root[i] = i + 1 }
#endif
#if defined(ROBUST) && defined(OLD)
    for (i : 1 .. 3) { birth[i] = 1 }
#endif
    i = 0;
    run task(0, TASK0); run task(1, TASK1); run task(2, TASK2); run task(3, TASK3);
#ifdef NESTED
    run irq(IRQ);
#endif
    run memory();
  }
}
