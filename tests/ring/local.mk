# What tests/ring/run needs. The sizes are computed by the helper's code.
check_PROGRAMS += tests/ring/sizes
tests_ring_sizes_SOURCES = tests/ring/sizes.c $(capture_sources)
tests_ring_sizes_LDADD = $(xdpcap_helper_LDADD)
$(tests_ring_sizes_OBJECTS): | bpf/copy.skel.h

check_PROGRAMS += tests/ring/wakeups
tests_ring_wakeups_SOURCES = tests/ring/wakeups.c
tests_ring_wakeups_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
tests_ring_wakeups_LDADD = $(LIBPCAP_LIBS) $(LIBBPF_LIBS) -lpthread
tests_ring_wakeups_DEPENDENCIES = libpcap.stamp
$(tests_ring_wakeups_OBJECTS): | libpcap.stamp bench/owner.skel.h

SUITES += tests/ring/run
