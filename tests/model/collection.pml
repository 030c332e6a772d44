/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Collection in a repository: writers, a pruner, people who hold and undelete, collectors, and what may
 * befall the store. Each step is one operation of the store or one look at it, in any order among the
 * processes; a process that is not scheduled any more has crashed or is suspended. What is checked, over all
 * orders: no point that stands ever lacks a pack, and nothing is removed that somebody was promised.
 *
 * Slot 0 holds a point from the beginning; slot N belongs to the session of writer N, and pack N, too. A set
 * of slots or packs is a byte, a bit each. The steps have the names of the rules (W1 to W7, C1 to C10).
 * Each switch BROKEN_... takes a rule away; tests/model/run says what must then go wrong.
 *
 * Left out on purpose, because the rest must do without: the second look at the base in W6, and what C7 says
 * of former tombstones. Simpler than life: a session has one pack and one point that it builds on; an age in
 * the trash is left to chance; a name that was created stands at once, also after a power cut, but packs; one cut or
 * set-back in a run.
 */
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef COLLECTORS
#define COLLECTORS 1
#endif
#ifdef KEEPERS
#define MARKERS 2 /* how many times a point can be in the trash */
#else
#define MARKERS 1
#endif

#define SLOTS (WRITERS + 1)
#define BIT(i) (1 << (i))
#define HAS(set, i) (((set) >> (i)) & 1)
#define ADD(set, i) set = set | BIT(i)
#define DROP(set, i) set = set & ~BIT(i)

/* What is in a slot. */
#define EMPTY 0
#define POINT 1
#define FENCE 2
#define GIVEN_UP 3
#define REMOVED 4

/* The store. */
byte slot[SLOTS];
byte sessions;             /* s/ */
byte packs = BIT(0);       /* d/ */
byte marker[MARKERS];      /* t/SID.N */
byte kept[MARKERS];        /* t/SID.N.v = "kept" */
byte taken[MARKERS];       /* t/SID.N.v = "taken" */
byte holds;                /* h/ */
byte tokens;               /* c/, by collector */
#ifdef SPARED_REMOVAL
byte removing;             /* collectors from C8 to C9 */
#endif

/* What points consist of, written once with their slot. */
byte refs[SLOTS];          /* their packs */
byte partial;
byte holes;                /* complete, but with zeros where the guest had data */

/* Changes that a power cut may undo: settled later, or never. */
byte loose_slots;          /* a tombstone over a point */
byte loose_packs;          /* created */
byte loose_markers[MARKERS], loose_taken[MARKERS]; /* deleted */
byte cuts;

/* Promises to people. */
byte held, undeleted;

#define FILLED(i) (slot[i] != EMPTY)
#if MARKERS == 2
#define TRASHED ((marker[0] & ~kept[0]) | (marker[1] & ~kept[1]))
#define TAKEN ((marker[0] & taken[0]) | (marker[1] & taken[1]))
#else
#define TRASHED (marker[0] & ~kept[0])
#define TAKEN (marker[0] & taken[0])
#endif

/* After a power cut a removed point may stand again, but then in the trash, with a verdict that nobody can
 * turn. Everything else that stands is whole. */
#ifdef POWER
#define LOST(i) HAS(TAKEN, i)
#else
#define LOST(i) false
#endif
#define SOUND(i) (slot[i] != POINT || LOST(i) || (refs[i] & packs) == refs[i])

inline check_points()
{
    n = 0;
    do
    :: n < SLOTS -> assert(SOUND(n)); n++
    :: else -> break
    od;
    n = 0
}

/* Names under p/, at one instant: later names can only add to it. */
inline list_slots(ret)
{
    ret = 0; n = 0;
    do
    :: n < SLOTS -> if :: FILLED(n) -> ADD(ret, n) :: else fi; n++
    :: else -> break
    od;
    n = 0
}

/* Any member of a set that is not empty. */
inline choose(ret, set)
{
    ret = 0;
    do
    :: HAS(set, ret) -> break
    :: (set >> (ret + 1)) != 0 -> ret++
    od
}

/* The smallest member. */
inline first(ret, set)
{
    ret = 0;
    do
    :: HAS(set, ret) -> break
    :: else -> ret++
    od
}

#define NONE 7

proctype writer(byte me)
{
    byte trash, listed, base = NONE, known, n, life;
    bool map;

    /* A cut or a set-back ends a session. */
#define ALIVE (life == cuts)
#ifndef BROKEN_ANNOUNCED_LATE
    atomic { ADD(sessions, me); life = cuts };                                        /* W1 */
#else
    life = cuts;
#endif
#ifndef BROKEN_TRASH_READ_LAST
    atomic { ALIVE -> trash = TRASHED };                                              /* W2 */
#endif
    d_step { ALIVE -> list_slots(listed); DROP(listed, me) };
    atomic {                                                                          /* W3 */
        ALIVE ->
#ifdef BROKEN_TRASH_USED
        trash = 0;
#endif
        listed = listed & ~trash; trash = 0;
        if
        :: listed != 0 -> choose(base, listed)
        :: base = NONE
        fi;
        listed = 0
    };
    if
    :: base != NONE ->
        atomic {
            ALIVE ->
            if
#ifdef BROKEN_KIND_NOT_READ
            :: refs[base] != 0 -> known = refs[base]
#else
            :: slot[base] == POINT -> known = refs[base]
#endif
            :: else -> base = NONE
            fi;
#ifdef BROKEN_PARTIAL_MAP
            map = (base != NONE)
#else
            map = (base != NONE && !HAS(partial, base))
#endif
        }
    :: else
    fi;
#ifdef BROKEN_TRASH_READ_LAST
    atomic { ALIVE -> trash = TRASHED; if :: base != NONE && HAS(trash, base) -> base = NONE; known = 0; map = false
                                        :: else fi; trash = 0 };
#endif
#ifdef BROKEN_ANNOUNCED_LATE
    atomic { ALIVE -> ADD(sessions, me) };
#endif
    if
    :: atomic { ALIVE -> ADD(packs, me); ADD(known, me);                              /* W4 */
#ifdef POWER
                ADD(loose_packs, me)
#endif
        };
#if defined(POWER) && !defined(BROKEN_PACKS_NOT_SETTLED)
        atomic { ALIVE -> DROP(loose_packs, me) }                                     /* W5 */
#endif
    :: base != NONE -> skip /* nothing new */
    fi;
    atomic {                                                                          /* W6 */
        ALIVE ->
        if
        :: !HAS(sessions, me) -> goto give_up
        :: else
        fi
    };
    atomic {                                                                          /* W7 */
        ALIVE ->
        if
#ifdef BROKEN_COMMIT_REPLACES
        :: slot[me] == EMPTY || slot[me] == FENCE ->
#else
        :: slot[me] == EMPTY ->
#endif
            slot[me] = POINT; refs[me] = known;
            if
            :: map && (HAS(partial, base) || HAS(holes, base)) -> ADD(holes, me)
            :: else
            fi;
#ifdef PARTIALS
            if
            :: ADD(partial, me)
            :: assert(!HAS(holes, me))
            fi;
#endif
            check_points()
        :: else
        fi;
        base = 0; known = 0; map = false
    };
    goto done;
give_up:
    atomic { ALIVE -> if :: slot[me] == EMPTY -> slot[me] = GIVEN_UP :: else fi; base = 0; known = 0; map = false };
done:
    life = 0
}

#ifdef LONG_BACKUP
/* One backup in two sessions, of the slots 1 and 2, with the base 0. The first ends in a partial point, which
 * has some of the base or none of it; the second takes over its map, and may take more of the base. */
proctype long_writer()
{
    byte trash, known, n;
    bool base;

    atomic { ADD(sessions, 1) };                                                      /* W1 */
    atomic { trash = TRASHED };                                                       /* W2 */
    atomic { base = (!HAS(trash, 0) && slot[0] == POINT); trash = 0 };                /* W3 */
    atomic { ADD(packs, 1); ADD(known, 1) };                                          /* W4 */
    atomic {                                                                          /* W7 */
        if
        :: base -> known = known | refs[0]
        :: true
        fi;
        if
        :: slot[1] == EMPTY -> slot[1] = POINT; refs[1] = known; ADD(partial, 1); check_points()
        :: else -> goto done
        fi
    };
    atomic { ADD(sessions, 2) };                                                      /* W1 again */
    atomic { trash = TRASHED };
    atomic {
#ifndef BROKEN_PART_NOT_LOOKED_AT
        if
        :: HAS(trash, 1) || slot[1] != POINT -> goto give_up
        :: else
        fi;
#endif
#ifndef BROKEN_BASE_NOT_LOOKED_AT_AGAIN
        base = (base && !HAS(trash, 0) && slot[0] == POINT);
#endif
        trash = 0
    };
    atomic { ADD(packs, 2); ADD(known, 2) };
    atomic {
        if
        :: base -> known = known | refs[0]
        :: true
        fi;
        if
        :: slot[2] == EMPTY -> slot[2] = POINT; refs[2] = known; check_points()
        :: else
        fi;
        goto done
    };
give_up:
    atomic { if :: slot[2] == EMPTY -> slot[2] = GIVEN_UP :: else fi };
done:
    atomic { known = 0; base = false; trash = 0 }
}
#endif

proctype pruner()
{
    byte x, n, left = MARKERS + 1;

    do
    :: left > 0 ->
        atomic {
            left--;
            n = 0;
            do
            :: n < SLOTS -> if :: slot[n] == POINT -> x = n; break :: true fi; n++
            :: else -> x = NONE; break
            od;
            n = 0
        };
        atomic {
            if
            :: x == NONE
            :: x != NONE && !HAS(marker[0], x) -> ADD(marker[0], x); DROP(undeleted, x)
#if MARKERS == 2
            :: x != NONE && HAS(marker[0], x) && HAS(kept[0], x) && !HAS(marker[1], x) ->
                ADD(marker[1], x); DROP(undeleted, x)
#endif
            :: else
            fi;
            x = 0
        }
    :: left > 0 -> left = 0
    :: else -> break
    od
}

#ifdef KEEPERS
#define OPEN(N, x) (HAS(marker[N], x) && !HAS(kept[N], x) && !HAS(taken[N], x))

/* Turns the trash for a point, if nobody has taken it. */
inline keep(N, x, ret)
{
#ifdef BROKEN_UNDELETE_DELETES
    DROP(marker[N], x); ret = true
#else
    if
    :: HAS(taken[N], x) -> ret = false
    :: else -> ADD(kept[N], x); ret = true
    fi
#endif
}

proctype holder(byte x)
{
    bool open0, open1, bad, made;

    atomic { ADD(holds, x) };
#ifndef BROKEN_HOLD_DOES_NOT_LOOK
    atomic {
        open0 = OPEN(0, x);
        open1 = OPEN(1, x);
        bad = HAS(TAKEN, x)
    };
    if :: open0 -> atomic { keep(0, x, made); bad = bad || !made } :: else fi;
    if :: open1 -> atomic { keep(1, x, made); bad = bad || !made } :: else fi;
#endif
    atomic {
        if :: !bad && slot[x] == POINT -> ADD(held, x) :: else fi;
        open0 = false; open1 = false; bad = false; made = false
    }
}

proctype undeleter(byte x)
{
    bool made;
    byte N = NONE;

    atomic {
        if
        :: OPEN(1, x) -> N = 1
        :: OPEN(0, x) -> N = 0
        :: else
        fi
    };
    if
    :: N != NONE ->
        atomic { keep(N, x, made); if :: made -> ADD(undeleted, x) :: else fi };
        /* The promise is given at the end; until then it is none. */
        atomic {
#ifndef BROKEN_UNDELETE_DOES_NOT_LOOK
            if :: slot[x] != POINT -> DROP(undeleted, x) :: else fi;
#endif
            assert(!HAS(undeleted, x) || slot[x] == POINT)
        }
    :: else
    fi
}
#endif

mtype = { TRASH, TRASH_HOLDS, TRASH_TAKE, PACKS, TOKEN_MADE, TRASH_AGAIN, PACKS_LIST, SLOTS_LIST, SLOTS_READ, SESSIONS,
          SESSIONS_ENDED, TOKEN, WAIT, AGAIN_LIST, AGAIN_READ, REMOVE, REMOVE_ONE, SETTLE, UNMARK, FREE, TIDY, END };

proctype collector(byte me)
{
    mtype next = TRASH;
    byte T, A, L, R, S;         /* as in the rules */
#ifdef TOKEN_EARLY
    byte firm;                  /* slots that had a tombstone before the token */
#endif
    byte open[MARKERS];         /* markers without a verdict, as they were listed */
    byte todo;                  /* of the step at work */
    byte x, n, life;
#ifdef POWER
    bool saved;
    byte saved_T, saved_R;
#endif

#ifdef POWER
#define STEP(name) next == name && life == cuts
#else
#define STEP(name) next == name
#endif
    life = cuts;
    do
    :: atomic { STEP(TRASH) ->                                                        /* C1 */
#ifdef BROKEN_SESSIONS_FIRST
        S = sessions;
#endif
        T = TAKEN;
        open[0] = marker[0] & ~kept[0] & ~taken[0];
#if MARKERS == 2
        open[1] = marker[1] & ~kept[1] & ~taken[1];
#ifdef BROKEN_HOLDS_FIRST
        todo = holds; next = TRASH_HOLDS }
    :: atomic { STEP(TRASH_HOLDS) ->
        T = TAKEN;
        open[0] = marker[0] & ~kept[0] & ~taken[0] & ~todo;
        open[1] = marker[1] & ~kept[1] & ~taken[1] & ~todo;
        todo = 0;
#else
        next = TRASH_HOLDS }
    :: atomic { STEP(TRASH_HOLDS) ->
#ifndef BROKEN_HOLDS_IGNORED
        open[0] = open[0] & ~holds;
        open[1] = open[1] & ~holds;
#endif
#endif
#endif
        next = TRASH_TAKE }
    :: atomic { STEP(TRASH_TAKE) && open[0] != 0 ->
        first(x, open[0]); DROP(open[0], x);
        if
#ifndef BROKEN_VERDICT_REPLACED
        :: HAS(kept[0], x)
        :: !HAS(kept[0], x) -> ADD(taken[0], x); ADD(T, x)
#else
        :: DROP(kept[0], x); ADD(taken[0], x); ADD(T, x)
#endif
        :: true /* not long enough in the trash */
        fi;
        x = 0 }
#if MARKERS == 2
    :: atomic { STEP(TRASH_TAKE) && open[0] == 0 && open[1] != 0 ->
        first(x, open[1]); DROP(open[1], x);
        if
        :: HAS(kept[1], x)
        :: !HAS(kept[1], x) -> ADD(taken[1], x); ADD(T, x)
        :: true
        fi;
        x = 0 }
    :: atomic { STEP(TRASH_TAKE) && open[0] == 0 && open[1] == 0 -> next = PACKS }
#else
    :: atomic { STEP(TRASH_TAKE) && open[0] == 0 -> next = PACKS }
#endif
#ifdef TOKEN_EARLY
    :: d_step { STEP(PACKS) ->
        n = 0;
        do
        :: n < SLOTS -> if :: slot[n] > POINT -> ADD(firm, n) :: else fi; n++
        :: else -> break
        od;
        n = 0; next = TOKEN_MADE }
    :: atomic { STEP(TOKEN_MADE) -> ADD(tokens, me); next = TRASH_AGAIN }
    :: atomic { STEP(TRASH_AGAIN) ->
#ifdef BROKEN_TAKEN_SINCE_TOKEN
        T = TAKEN;
#else
        T = T & TAKEN;
#endif
        next = PACKS_LIST }
    :: atomic { STEP(PACKS_LIST) -> A = packs; next = SLOTS_LIST }
#else
    :: atomic { STEP(PACKS) -> A = packs; next = SLOTS_LIST }                         /* C2 */
#endif
    :: d_step { STEP(SLOTS_LIST) -> list_slots(L); todo = L & ~T; next = SLOTS_READ } /* C3 */
    :: atomic { STEP(SLOTS_READ) && todo != 0 ->
        first(x, todo); DROP(todo, x);
        if
        :: slot[x] == POINT -> R = R | refs[x]
#if defined(TOKEN_EARLY) && !defined(BROKEN_REMOVED_SINCE_TOKEN)
        :: slot[x] == EMPTY || (slot[x] == REMOVED && !HAS(firm, x)) ->
            next = TIDY; todo = 0; T = 0; A = 0; L = 0; R = 0; firm = 0 /* stop */
#endif
        :: else
        fi;
        x = 0 }
    :: atomic { STEP(SLOTS_READ) && todo == 0 -> next = SESSIONS }                    /* C4 */
    :: atomic { STEP(SESSIONS) ->                                                     /* C5 */
#ifndef BROKEN_SESSIONS_FIRST
        S = sessions;
#endif
#ifdef TOKEN_EARLY
        firm = 0;
#endif
        next = SESSIONS_ENDED }
    :: d_step { STEP(SESSIONS_ENDED) -> list_slots(todo); S = S & ~todo; todo = 0; next = TOKEN }
    :: atomic { STEP(TOKEN) ->
#if defined(SETBACK) && !defined(TOKEN_EARLY)
        ADD(tokens, me);
#endif
#ifdef BROKEN_PACKS_LAST
        A = packs;
#endif
#ifdef POWER
        saved = true; saved_T = T; saved_R = R;
#endif
        next = WAIT }
#ifndef BROKEN_NO_WAIT
    :: atomic { STEP(WAIT) && S != 0 ->                                               /* C6 */
        first(x, S); DROP(S, x);
        /* Waiting for it, or a fence that comes later, are other orders of the same. */
        if :: slot[x] == EMPTY -> slot[x] = FENCE :: slot[x] != EMPTY fi;
        x = 0 }
    :: atomic { STEP(WAIT) && S == 0 -> next = AGAIN_LIST }
#else
    :: atomic { STEP(WAIT) -> S = 0; next = AGAIN_LIST }
#endif
    :: d_step { STEP(AGAIN_LIST) ->                                                   /* C7 */
#ifndef BROKEN_ONE_LOOK
        list_slots(todo);
#endif
        todo = todo & ~L; L = 0; next = AGAIN_READ }
    :: atomic { STEP(AGAIN_READ) && todo != 0 ->
        first(x, todo); DROP(todo, x);
        if
        :: slot[x] == POINT -> if :: !HAS(T, x) -> R = R | refs[x] :: else fi
        :: slot[x] == FENCE || slot[x] == GIVEN_UP
        :: slot[x] == REMOVED || slot[x] == EMPTY -> next = TIDY; todo = 0; T = 0; A = 0; R = 0 /* stop */
        fi;
        x = 0 }
    :: atomic { STEP(AGAIN_READ) && todo == 0 -> next = REMOVE }
    :: atomic { STEP(REMOVE) ->                                                       /* C8 */
#ifdef SETBACK
        if
        :: !HAS(tokens, me) -> next = END; T = 0; A = 0; R = 0; goto judged
        :: else
        fi;
#endif
        todo = T; S = TAKEN; next = REMOVE_ONE;
#ifdef SPARED_REMOVAL
        ADD(removing, me);
#endif
#ifdef BROKEN_MARKER_GOES_FIRST
        marker[0] = marker[0] & ~T;
#endif
judged: skip }
    :: atomic { STEP(REMOVE_ONE) && todo != 0 ->
        first(x, todo); DROP(todo, x);
        if
        :: slot[x] == POINT && HAS(S, x) ->
            assert(!HAS(held, x) && !HAS(undeleted, x));
            slot[x] = REMOVED;
#ifdef POWER
            ADD(loose_slots, x)
#endif
        :: slot[x] == POINT && !HAS(S, x) -> DROP(T, x); R = R | refs[x]
#ifdef LOCKS
        :: slot[x] == POINT && HAS(S, x) -> DROP(T, x); R = R | refs[x]
#endif
        :: slot[x] == EMPTY -> DROP(T, x); DROP(marker[0], x)
        :: else
        fi;
        x = 0 }
    :: atomic { STEP(REMOVE_ONE) && todo == 0 -> S = 0; todo = T; next = SETTLE }
    :: atomic { STEP(SETTLE) ->
#if defined(POWER) && !defined(BROKEN_SLOTS_NOT_SETTLED)
        loose_slots = loose_slots & ~T;
#endif
        next = UNMARK }
    :: atomic { STEP(UNMARK) && todo != 0 ->
        first(x, todo); DROP(todo, x);
#ifdef POWER
        loose_markers[0] = loose_markers[0] | (marker[0] & BIT(x));
        loose_taken[0] = loose_taken[0] | (taken[0] & BIT(x));
#endif
        DROP(marker[0], x); DROP(taken[0], x); DROP(kept[0], x);
#if MARKERS == 2
        DROP(marker[1], x); DROP(taken[1], x); DROP(kept[1], x);
#endif
        DROP(holds, x); DROP(sessions, x);
        x = 0 }
    :: atomic { STEP(UNMARK) && todo == 0 ->
#ifdef POWER
        loose_markers[0] = loose_markers[0] & ~T; loose_taken[0] = loose_taken[0] & ~T;
#endif
        T = 0; next = FREE }
    :: atomic { STEP(FREE) ->                                                         /* C9 */
#ifdef SETBACK
        if :: HAS(tokens, me) -> packs = packs & ~(A & ~R) :: else fi;
#else
        packs = packs & ~(A & ~R);
#endif
        A = 0; R = 0; next = TIDY;
#ifdef SPARED_REMOVAL
        DROP(removing, me);
#endif
        check_points() }
    :: d_step { STEP(TIDY) ->                                                         /* C10 */
        list_slots(todo); sessions = sessions & ~todo; todo = 0; DROP(tokens, me); next = END }
#ifdef POWER
    /* Its host has died, and with it all but what it has saved. */
    :: atomic { life != cuts && next != END ->
        life = cuts; todo = 0; x = 0; open[0] = 0;
        if
        :: saved -> T = saved_T; R = saved_R; S = 0; next = WAIT
        :: T = 0; R = 0; A = 0; L = 0; S = 0; next = TRASH; saved = false
        fi }
    :: atomic { life != cuts && next == END -> break }
#endif
    :: atomic { STEP(END) -> break }
    od
}

#ifdef POWER
/* What was not settled may be undone, each change for itself. */
proctype power()
{
    byte n;

    atomic {
        cuts++;
        n = 0;
        do
        :: n < SLOTS ->
            if :: HAS(loose_slots, n) -> slot[n] = POINT :: true fi;
            if :: HAS(loose_packs, n) -> DROP(packs, n) :: true fi;
            if :: HAS(loose_markers[0], n) -> ADD(marker[0], n) :: true fi;
            if :: HAS(loose_taken[0], n) -> ADD(taken[0], n) :: true fi;
            n++
        :: else -> break
        od;
        loose_slots = 0; loose_packs = 0; loose_markers[0] = 0; loose_taken[0] = 0;
        check_points()
    }
}
#endif

#ifdef SETBACK
/* The whole store becomes what it was at some moment. Collectors are not told; writers are ended first, because
 * packs that they have put since then are gone. */
proctype setback()
{
    byte old_slot[SLOTS], old_sessions, old_packs, old_marker, old_taken, old_tokens, n;

    d_step {
        n = 0;
        do :: n < SLOTS -> old_slot[n] = slot[n]; n++ :: else -> break od;
        n = 0;
        old_sessions = sessions; old_packs = packs; old_marker = marker[0]; old_taken = taken[0]; old_tokens = tokens
    };
    d_step {
#ifdef SPARED_REMOVAL
        removing == 0 ->
#endif
        n = 0;
        do :: n < SLOTS -> slot[n] = old_slot[n]; old_slot[n] = 0; n++ :: else -> break od;
        n = 0;
#ifndef BROKEN_SESSION_OUTLIVES_SETBACK
        cuts++;
#endif
        sessions = old_sessions; packs = old_packs; marker[0] = old_marker; taken[0] = old_taken; tokens = old_tokens;
        old_sessions = 0; old_packs = 0; old_marker = 0; old_taken = 0; old_tokens = 0
    }
}
#endif

init {
    atomic {
        byte n = 1;
        slot[0] = POINT;
        refs[0] = BIT(0);
#ifdef LONG_BACKUP
        run long_writer();
#else
        do :: n <= WRITERS -> run writer(n); n++ :: else -> break od;
#endif
        n = 0;
        do :: n < COLLECTORS -> run collector(n); n++ :: else -> break od;
        n = 0;
        run pruner();
#ifdef KEEPERS
        run holder(0);
#ifdef UNDELETES
        run undeleter(0);
#endif
#endif
#ifdef POWER
        run power();
#endif
#ifdef SETBACK
        run setback();
#endif
    }
}
