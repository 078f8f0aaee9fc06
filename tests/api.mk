# The tests of the API: a program on this build's libpcap.
check_PROGRAMS += api-test
api_test_SOURCES = \
	tests/api.c \
	tests/api.h \
	tests/api-details.c \
	tests/api-failure.c \
	tests/api-filter.c \
	tests/api-hook.c \
	tests/api-hook.h \
	tests/api-linktype.c \
	tests/api-open.c \
	tests/api-packet.c \
	tests/api-process.c \
	tests/api-read.c \
	tests/api-traffic.c \
	tests/api-traffic.h \
	tests/api-wait.c \
	tests/clock.h
# pthread, for older C libraries that have it apart
api_test_CFLAGS = $(AM_CFLAGS) -pthread
api_test_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
api_test_LDADD = $(LIBPCAP_LIBS) $(LIBBPF_LIBS)
api_test_DEPENDENCIES = libpcap.stamp

$(api_test_OBJECTS): | libpcap.stamp
