/*
 * The write side: reclaim, steal, publish, limbo, flush, for hyaline.pml. The
 * names are those of src/raw. A step that touches what others see is one
 * atomic step, with what only its task sees before and after; a loop of
 * compare-and-swap is one step, as a failed try changes nothing.
 */

/* Reclaims the ring of a batch; at once, which is the worst time. */
inline reclaim(ring) {
  r = chain[ring]; chain[ring] = 0;
  do
  :: r != 0 ->
    assert(state[r] == RETIRED);        /* once */
    for (s : 0 .. 2) { assert(holds[s] != r && owns[s] != r) }
    state[r] = RECLAIMED;
    s = chain[r]; chain[r] = 0; next[r] = 0; counting[r] = 0; count[r] = 0;
#ifdef ROBUST
    birth[r] = 0;
#endif
    r = s
  :: else -> break
  od;
  s = 0
}

/* drop_references: one step for each, AcqRel. */
inline drop_references(cells) {
  do
  :: cells != 0 ->
    d_step {
      drain(me);
      assert(state[cells] == RETIRED);
      k = (counting[cells] -> counting[cells] : cells);
      cells = next[cells];
      assert(state[k] == RETIRED);
      count[k]--;
      if
      :: count[k] == ZERO -> reclaim(k)
      :: else
      fi;
      k = 0
    }
  :: else -> break
  od
}

/* (3). The take is an Acquire; the push back a Release. */
inline steal(slot) {
  if
  :: IS_ACTIVE(slot)
  :: else ->
    d_step { taken = inbox[slot]; inbox[slot] = 0 };
    if
    :: taken == 0
    :: taken != 0 ->
#ifndef NO_SECOND_LOOK
      atomic {
        if
        :: IS_ACTIVE(slot) -> put = true
        :: else
        fi
      };
#endif
      if
      :: put ->
        d_step {
          drain(me);
          k = taken;
          do
          :: next[k] != 0 -> k = next[k]
          :: else -> break
          od;
          next[k] = inbox[slot]; inbox[slot] = taken;
          taken = 0; k = 0; put = false
        }
      :: !put -> drop_references(taken)
      fi
    fi
  fi
}

/* The owner takes its own inbox (4). */
inline settle() {
  if
  :: inbox[me] == 0
  :: else ->
    d_step { taken = inbox[me]; inbox[me] = 0 };
    drop_references(taken)
  fi
}

/* Puts an object into the local batch. */
inline join(object) {
  if
  :: last == 0 -> chain[object] = object
  :: else -> chain[object] = chain[last]; chain[last] = object
  fi;
  last = object; room--;
#ifdef ROBUST
  if
  :: birth[object] < oldest -> oldest = birth[object]
  :: else
  fi
#endif
}

/* Two loads in robust mode: the flag, then the era. */
#ifdef ROBUST
#define MAY_HOLD(slot) (where[me] == MARK(slot) -> what[me] : mark[slot]) >= oldest
#else
#define MAY_HOLD(slot) true
#endif

/* The slots that may hold objects of the batch, noted in its cells. */
inline choose() {
  do
  :: j < N ->
    atomic {
      may = IS_ACTIVE(j);
#ifndef ROBUST
      note()
#endif
    };
#ifdef ROBUST
    atomic {
      may = may && MAY_HOLD(j);
      note()
    };
#endif
    if
    :: may -> may = false
    :: !may ->
      if
      :: inbox[j] != 0 -> steal(j)
      :: else
      fi
    fi;
    j++
  :: j == N -> break
  od;
  j = 0; cell = 0
}

inline note() {
  if
  :: j == 0 -> cell = chain[last]
  :: else
  fi;
  if
  :: !may
  :: may && chosen > 0 && cell == chain[last] -> missing++
  :: else -> next[cell] = j; cell = chain[cell]; chosen++
  fi
}

/* Pushes the cells, then adds the count (6). */
inline give_out() {
  d_step { cell = chain[ring]; count[ring] = ZERO; counting[ring] = 0 };
  do
  :: chosen > 0 ->
    atomic {
      may = IS_ACTIVE(next[cell]);
      if
      :: may
      :: else -> j = chain[cell]; next[cell] = 0; cell = j; j = 0; chosen--
      fi
    };
    if
    :: !may
    :: may ->
      d_step {
        drain(me);
        assert(state[ring] == RETIRED);
#ifdef COUNT_EARLY
        count[ring]++;
#else
        pushed++;
#endif
        k = next[cell]; j = chain[cell];
        counting[cell] = (cell == ring -> 0 : ring);
        next[cell] = inbox[k]; inbox[k] = cell;
        cell = j; k = 0; j = 0; chosen--; may = false
      }
    fi
  :: chosen == 0 ->
    d_step {
      drain(me);
      assert(state[ring] == RETIRED);
      count[ring] = count[ring] + pushed;
      cell = 0; pushed = 0;
      if
      :: count[ring] == ZERO -> reclaim(ring)
      :: else
      fi;
      ring = 0
    };
    break
  od
}

/* Makes the slot's era cover what its open section may use of its own. */
inline cover() {
#if defined(ROBUST) && !defined(NO_COVER)
  store(MARK(me), clock)
#else
  skip
#endif
}

inline clear() {
  last = 0; room = BATCH;
#ifdef ROBUST
  oldest = NEVER
#endif
}

inline publish_local() {
  if
  :: last == 0
  :: last != 0 ->
    cover();
    HEAVY;
    choose();
    if
    :: missing > 0 -> room = missing; missing = 0; chosen = 0
    :: missing == 0 -> ring = last; clear(); give_out()
    fi
  fi
}

/* Adopts limbo, in batches no larger than one's own; then the rest. */
inline publish() {
#ifndef NO_ADOPT
  d_step { list = limbo; limbo = 0 };
#endif
  do
  :: list != 0 ->
    d_step { k = list; list = chain[list]; join(k); k = 0 };
    if
    :: room == 0 -> publish_local()
    :: room != 0
    fi
  :: list == 0 -> break
  od;
  publish_local()
}

/* The batch goes into limbo: Release. */
inline to_limbo() {
  d_step {
    drain(me);
#ifdef ROBUST
    k = chain[last];
    do
    :: birth[k] = oldest;
      if
      :: k == last -> break
      :: else -> k = chain[k]
      fi
    od;
#endif
    k = chain[last]; chain[last] = limbo; limbo = k; k = 0;
    clear()
  }
}

inline hand_over() {
  if
  :: last == 0
  :: last != 0 ->
    cover();
    to_limbo()
  fi
}

/* Whether something is left for which nobody active is responsible. */
inline left_behind() {
  left = (limbo != 0);
  do
  :: left && j < N -> atomic { left = !IS_ACTIVE(j); j++ }
  :: !left || j == N -> j = 0; break
  od;
  do
  :: !left && j < N ->
    if
    :: inbox[j] != 0 -> left = !IS_ACTIVE(j)
    :: else
    fi;
    j++
  :: left || j == N -> j = 0; break
  od
}

inline flush() {
  publish(); hand_over();
  do
  :: true ->
    if
    :: limbo != 0 -> publish(); hand_over()
    :: else
    fi;
    do
    :: j < N ->
      if
      :: inbox[j] != 0 -> steal(j)
      :: else
      fi;
      j++
    :: j == N -> j = 0; LAST_HEAVY; break
    od;
#ifndef NO_LAST_LOOK
    left_behind();
#endif
    if
    :: !left -> break
    :: left -> left = false
    fi
  od
}
