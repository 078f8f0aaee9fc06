/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model of one ring: producers of bpf/copy.bpf.c, the consumer of
 * pcap-xdpcap/pcap-xdpcap.c, and the bell, as doc/ring.md describes them. Two
 * producers interleave as they like, which includes that one interrupts the
 * other, on one CPU, anywhere, and ends first.
 *
 * Spin interleaves, but does not reorder, what a process does. So where the
 * code has an ordering, the model has an #ifdef that takes it away and lets the
 * two accesses happen in either order; tests/ring/run checks that the model
 * verifies as it is, and fails with each of them. What the code leaves unordered
 * is in either order always.
 *
 * A record is one unit, and has two words of data, so that a torn one is seen.
 * It must say the position it was reserved at.
 */
#define RING	2	/* records in the ring */
#define EACH	2	/* records that each producer writes */

#define NEVER	99	/* a commit word that no position gives */

byte head, tail;
byte commit[RING], first[RING], second[RING];
byte wake;		/* 0: nobody sleeps */
byte bell_producer, bell_consumer;
byte dropped;

#ifdef NO_POSITION
/* a commit word that only says that there is a record */
#define COMMITTED(p)	(commit[(p) % RING] != NEVER)
#else
#define COMMITTED(p)	(commit[(p) % RING] == (p))
#endif

#define READ_TAIL(t)	t = tail
#define LOAD_WAKE	w = wake

inline write_record() {
	first[slot] = pos;
	second[slot] = pos
}

/* What follows the commit in the same producer must not precede it. */
inline commit_and_look() {
#ifdef NO_COMMIT_BARRIER
	if
	:: commit[slot] = pos; LOAD_WAKE
	:: LOAD_WAKE; commit[slot] = pos
	fi
#else
	commit[slot] = pos;
	LOAD_WAKE
#endif
}

proctype producer() {
	byte n, pos, slot, t, w, seen;

	do
	:: n == EACH -> break
	:: else ->
		n++;
		pos = head;
reserve:
		READ_TAIL(t);
#ifndef NO_ROOM
		if
		:: pos + 1 - t > RING -> dropped++; goto next
		:: else
		fi;
#endif
#ifdef NO_EXCHANGE
		seen = head;
		if
		:: seen == pos -> head = pos + 1
		:: else -> pos = seen; goto reserve
		fi;
#else
		atomic {
			seen = head;
			if
			:: seen == pos -> head = pos + 1
			:: else -> pos = seen; goto reserve
			fi
		}
#endif
		slot = pos % RING;
#ifdef NO_COMMIT_RELEASE
		if
		:: write_record(); commit_and_look()
		:: commit[slot] = pos; write_record(); LOAD_WAKE
		fi;
#else
		write_record();
		commit_and_look();
#endif
		READ_TAIL(t);
		if
		:: w != 0 && pos + 1 - t >= w ->
			atomic { seen = wake; wake = 0 };
			if
			:: seen != 0 -> bell_producer++
			:: else
			fi
		:: else
		fi;
next:
		skip
	od
}

/*
 * Ask to be woken at threshold, and look once more. In the code the bell's
 * position and wake are stored in either order.
 */
inline arm() {
#ifndef NO_BELL_FIRST
	b = bell_producer;
	if
	:: bell_consumer = b; wake = threshold
	:: wake = threshold; bell_consumer = b
	fi;
#else
	wake = threshold;
#endif
#ifdef NO_BELL_FIRST
	look();
	b = bell_producer;
	bell_consumer = b
#else
	look()
#endif
}

/* A record, or for a batch as much as was asked for. */
inline look() {
	if
	:: threshold == 1 -> there = COMMITTED(pos)
	:: else -> there = (head - pos >= threshold)
	fi
}

inline read_record() {
	a = first[pos % RING];
	z = second[pos % RING]
}

proctype consumer() {
	byte pos, a, z, b, threshold;
	bool there, ended;

	do
	:: ended -> break
	:: else ->
		/* read what there is */
		do
#ifdef NO_ACQUIRE
		:: read_record();
			if
			:: COMMITTED(pos)
			:: else -> break
			fi;
			assert(a == pos && z == pos);
			pos++;
			tail = pos
#else
		:: COMMITTED(pos) ->
#ifdef NO_TAIL_RELEASE
			if
			:: read_record(); tail = pos + 1
			:: tail = pos + 1; read_record()
			fi;
#else
			read_record();
			/* released now, or with a later one */
			if
			:: tail = pos + 1
			:: skip
			fi;
#endif
			assert(a == pos && z == pos);
			pos++
		:: else -> break
#endif
		od;
		/* before it sleeps, it has given back everything */
		tail = pos;
		if
		:: threshold = 1
		:: threshold = 2
		fi;
again:
#ifdef NO_ARM_BARRIER
		if
		:: arm()
		:: look(); b = bell_producer; bell_consumer = b; wake = threshold
		fi;
#else
		arm();
#endif
#ifdef NO_SECOND_LOOK
		there = false;
#endif
		if
		:: there
		:: else ->
			/* sleep; a timeout is when nothing else can happen */
			if
			:: bell_producer != bell_consumer
			:: timeout ->
				/* that all is quiet, and a wakeup is due, is a
				 * lost wakeup
				 */
				assert(head - pos < threshold);
				if
				:: threshold == 1 -> ended = true
				:: else -> threshold = 1; goto again
				fi
			fi
		fi;
		/* awake */
		wake = 0
	od;
	/* nothing was lost but what was counted */
	assert(pos == head);
	assert(pos + dropped == 2 * EACH)
}

init {
	byte i;

	atomic {
		for (i : 0 .. RING - 1) {
			commit[i] = NEVER
		}
		run producer();
		run producer();
		run consumer()
	}
}
