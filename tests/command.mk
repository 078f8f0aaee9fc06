# What tests/command.sh sends packets with, and what compares filters.
check_PROGRAMS += tests/offset tests/replay
tests_offset_SOURCES = cmd/filter.c cmd/filter.h tests/offset.c
tests_offset_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
tests_offset_LDADD = $(LIBPCAP_LIBS)
tests_replay_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
tests_replay_LDADD = $(LIBPCAP_LIBS)
$(tests_offset_OBJECTS) $(tests_replay_OBJECTS): | libpcap.stamp
