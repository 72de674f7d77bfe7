/*
 * The write side: walk, visit, sweep, publish, collect, drain, and drain_inbox,
 * for hyaline.pml. The names are those of src/raw. An access to shared state is
 * one atomic step, together with the local steps before and after it. A
 * compare-and-swap loop is one step, because a failed attempt changes nothing.
 */

/* Reclaims what is in the hand, at once: the worst time. */
inline run_reclaimers(set) {
  o = 1;
  do
  :: o <= N ->
    if
    :: set & BIT(o) ->
      assert(state[o] == RETIRED);      /* once */
      for (k : 0 .. N) { assert(!(holds[k] & BIT(o))) }
      state[o] = RECLAIMED; forget(o)
    :: else
    fi;
    o++
  :: else -> break
  od;
  o = 0; k = 0
}

inline forget(object) {
#ifndef ROBUST
  note[object] = 0;
#else
  birth[object] = 0; retired_in[object] = 0;
#endif
  by[object] = 0;
#ifdef BOUND
  later[object] = 0; waits_for[object] = 0;
#endif
}

/* Drains the hand and what is left over. */
inline drain_hand() {
  do
#ifdef LIMIT
  :: hand != 0 && step != CLOSE ->
    d_step {
      k = (hand & 1 -> 1 : (hand & 2 -> 2 : 4));
      hand = hand & ~k; chain = k;
      run_reclaimers(chain); chain = 0
    };
    if
    :: hand != 0 -> d_step { push(left_over, hand); hand = 0 }
    :: else
    fi;
    break
  :: hand != 0 && step == CLOSE -> d_step { run_reclaimers(hand); hand = 0 }
#else
  :: hand != 0 -> d_step { run_reclaimers(hand); hand = 0 }
#endif
#ifndef NO_LEFT_OVER
  :: hand == 0 && left_over != 0 -> take(left_over, hand)
#endif
  :: else -> break
  od
}

/* Release: a take sees what the pusher stored; see `take`. */
inline push(word, set) {
  assert(!(word & set));
  for (k : 1 .. N) {
    if
    :: set & BIT(k) -> assert(state[k] == RETIRED); by[k] = me
    :: else
    fi
  }
  word = word | set; k = 0
}

/* Acquire: empties the buffers of the pushers, except the taker's own. */
inline take(word, into) {
  d_step {
    into = word; word = 0;
    for (k : 1 .. N) {
      if
      :: into & BIT(k) && by[k] != me -> drain(by[k])
      :: else
      fi
    }
    k = 0
  }
}

/* Takes over what no section can hold any more. */
inline reclaim(set) {
  if
  :: set != 0 && IS_EAGER(me) -> hand = hand | set; set = 0
  :: set != 0 && !IS_EAGER(me) -> d_step { push(left_over, set); set = 0 }
  :: else
  fi
}

/* A load, and a store if needed. Sections from here on are later ones. */
inline want(slot) {
  if
  :: wanted[slot]
  :: else -> wanted[slot] = 1
  fi;
#ifdef BOUND
  d_step {
    for (o : 1 .. N) {
      if
      :: held & inbox[slot] & BIT(o) && waits_for[o] == CALLING -> waits_for[o] = session[slot]
      :: else
      fi
    }
    o = 0
  }
#endif
}

/*
 * Loads a section and, in robust mode, the eras that tell what it may hold:
 * then there are three loads, the first of which finds it open.
 */
inline look(slot) {
  atomic {
    seen = LOOK(slot);
#ifdef BOUND
    saw = shown[slot]
#endif
  };
#ifdef ROBUST
  if
  :: DEPTH(seen) != 0 ->
#ifndef NO_BEGAN
    since = (where[me] == BEGAN(slot) -> what[me] : began[slot]);
#endif
    until = (where[me] == ACCESS(slot) -> what[me] : access[slot])
  :: else
  fi
#endif
}

/* Whether the section that was seen open may hold a new object. */
#ifdef ROBUST
#define MAY_HOLD(object) (since <= retired_in[object] && birth[object] <= until)
#else
#define MAY_HOLD(object) true
#endif
/* Whether it may hold an object that waits for it. */
#ifdef ROBUST
#define HOLDS(object) MAY_HOLD(object)
#else
#define HOLDS(object) (note[object] == NUMBER(seen))
#endif

/* Divides `set`: what is held goes to `held`, with a note; the rest stays. */
inline divide(set, is_held, is_new) {
  held = 0;
  for (o : 1 .. N) {
    if
    :: set & BIT(o) ->
      if
      :: is_held ->
        held = held | BIT(o); set = set & ~BIT(o);
#ifndef ROBUST
        note[o] = NUMBER(seen);
#endif
#ifdef BOUND
        if
        :: is_new -> later[o] = 0; waits_for[o] = CALLING
        :: !is_new && waits_for[o] != CALLING && saw > waits_for[o] ->
          later[o]++; waits_for[o] = saw
        :: else
        fi;
        assert(later[o] <= BOUND);
#endif
      :: else
      fi
    :: else
    fi
  }
  o = 0
}

inline forget_look() {
  seen = 0;
#ifdef ROBUST
  since = 0; until = 0;
#endif
#ifdef BOUND
  saw = 0;
#endif
}

/* Leaves at a slot what its section may hold. */
inline pass(slot, set) {
  look(slot);
  if
  :: DEPTH(seen) == 0
  :: else ->
    d_step {
      divide(set, MAY_HOLD(o), true);
      if
      :: held != 0 -> push(inbox[slot], held)
      :: else
      fi;
#ifdef ROBUST
      /* Sections that begin after this call begin in a later era. */
      for (o : 1 .. N) {
        may = may || (held & BIT(o) && retired_in[o] >= clock)
      }
      o = 0
#endif
    };
#ifdef ROBUST
#ifndef NO_TICK
    if
    :: may -> clock++
    :: else
    fi;
#endif
    may = false;
#endif
    if
    :: held != 0 -> want(slot)
    :: else
    fi
  fi;
  d_step { forget_look(); held = 0 }
}

/* Walks along the slots from `from` on, except `but`. */
inline walk(set, from, but) {
  i = from;
  do
  :: i < N && set != 0 ->
    if
    :: i != but -> pass(i, set)
    :: else
    fi;
    i++
  :: else -> break
  od;
  i = 0
}

/* Takes what waits at a slot, and forwards what need not wait there. */
inline visit(slot, all) {
  atomic { seen = LOOK(slot) };
  if
  :: DEPTH(seen) != 0 && !all && IS_EAGER(slot)
  :: else ->
    take(inbox[slot], over);
    if
    :: over != 0 ->
      /* The decisive load of the section (3). */
#ifndef LOOK_FIRST
      look(slot);
#endif
      if
      :: DEPTH(seen) != 0 ->
        d_step {
          divide(over, HOLDS(o), false);
          if
          :: held != 0 -> push(inbox[slot], held)
          :: else
          fi
        };
        if
        :: held != 0 -> want(slot)
        :: else
        fi;
        d_step { forget_look(); held = 0 }
      :: else
      fi;
#ifdef SKIP_A_SLOT
      walk(over, slot + 2, N);
#else
      walk(over, slot + 1, N);
#endif
      reclaim(over)
    :: else
    fi
  fi;
  seen = 0
}

/* Visits all slots, with a chain that is being published. */
inline sweep(all) {
  do
  :: j < N ->
    if
    :: inbox[j] != 0 -> visit(j, all)
    :: else
    fi;
    if
    :: chain != 0 -> pass(j, chain)
    :: else
    fi;
    j++
  :: else -> break
  od;
  j = 0;
  reclaim(chain)
}

inline take_retired(all) {
  do
  :: j < N ->
    if
    :: (j == me || all || !IS_EAGER(j)) && retired[j] != 0 ->
      take(retired[j], held);
      chain = chain | held; held = 0
    :: else
    fi;
    j++
  :: else -> break
  od;
  j = 0
}

/* The eras of retirement, read after the heavy barrier. */
inline note_retired(set) {
#ifdef ROBUST
  d_step {
    for (o : 1 .. N) {
      if
      :: set & BIT(o) -> retired_in[o] = clock
      :: else
      fi
    }
    o = 0
  }
#else
  skip
#endif
}

inline advance(all) {
  take_retired(all);
  if
  :: chain != 0 ->
#ifdef RETIRED_EARLY
    note_retired(chain); HEAVY_BARRIER
#else
    HEAVY_BARRIER; note_retired(chain)
#endif
  :: else
  fi;
  sweep(all)
}

inline collect() {
  do
  :: true ->
    advance(true);
    LAST_HEAVY;
#ifndef NO_LAST_LOOK
    do
    :: j < N ->
      if
      :: inbox[j] != 0 -> atomic { seen = LOOK(j); may = may || DEPTH(seen) == 0; seen = 0 }
      :: else
      fi;
      j++
    :: else -> break
    od;
    j = 0;
#endif
    if
    :: may -> may = false
    :: else -> break
    fi
  od;
  drain_hand()
}

/* The owner takes its own inbox (4). */
inline drain_inbox() {
  take(inbox[me], over);
  walk(over, me + 1, N);
  reclaim(over);
  drain_hand()
}
