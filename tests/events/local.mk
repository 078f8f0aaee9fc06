# What tests/sharing.sh and tests/crash.sh need.
check_PROGRAMS += tests/events/events
tests_events_events_SOURCES = \
	tests/clock.h \
	tests/events/application.c \
	tests/events/application.h \
	tests/events/captures.c \
	tests/events/captures.h \
	tests/events/check.c \
	tests/events/events.c \
	tests/events/events.h \
	tests/events/flow.c \
	tests/events/flow.h \
	tests/events/look.c \
	tests/events/look.h \
	tests/events/random.c \
	tests/events/script.c \
	tests/events/truth.h
tests_events_events_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
tests_events_events_LDADD = $(LIBPCAP_LIBS) $(LIBBPF_LIBS)
tests_events_events_DEPENDENCIES = libpcap.stamp
$(tests_events_events_OBJECTS): | libpcap.stamp

bpf_objects += tests/events/truth.bpf.o tests/events/truth-frags.bpf.o
check_DATA += tests/events/truth.bpf.o tests/events/truth-frags.bpf.o
