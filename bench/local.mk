# bench/run.sh's program, and the eBPF programs in it.
bpf_objects += bench/owner.bpf.o bench/references.bpf.o
CLEANFILES += bench/owner.skel.h bench/references.skel.h
# Not intermediate files, to be removed after the skeletons are made.
.SECONDARY: bench/owner.bpf.o bench/references.bpf.o

check_PROGRAMS += bench/bench
bench_bench_SOURCES = \
	bench/bench.c \
	bench/bench.h \
	bench/capture.c \
	bench/cost.c \
	bench/enter.c \
	bench/live.c \
	bench/references.h \
	bench/sharing.c
bench_bench_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/bench $(LIBPCAP_CPPFLAGS)
bench_bench_LDADD = $(LIBPCAP_LIBS) $(LIBBPF_LIBS) -lpthread
bench_bench_DEPENDENCIES = libpcap.stamp
$(bench_bench_OBJECTS): | libpcap.stamp bench/owner.skel.h bench/references.skel.h
