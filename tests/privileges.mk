# What tests/privileges.sh needs. The fuzzer parses requests itself too, with
# sanitizers.
check_PROGRAMS += tests/helper-fuzz tests/intrude tests/sandbox
tests_helper_fuzz_SOURCES = \
	tests/helper-fuzz.c \
	pcap-xdpcap/request.c \
	pcap-xdpcap/request.h
tests_helper_fuzz_CFLAGS = $(AM_CFLAGS) -fsanitize=address,undefined \
	-fno-sanitize-recover=all
tests_helper_fuzz_LDADD = $(LIBBPF_LIBS)

tests_sandbox_SOURCES = \
	tests/sandbox.c \
	pcap-xdpcap/protocol.h \
	pcap-xdpcap/sandbox.c \
	pcap-xdpcap/sandbox.h
tests_sandbox_LDADD = $(LIBSECCOMP_LIBS)
