# What tests/sanitize/run needs.
check_PROGRAMS += tests/sanitize/fault
tests_sanitize_fault_SOURCES = tests/sanitize/fault.c
tests_sanitize_fault_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
tests_sanitize_fault_LDADD = $(LIBPCAP_LIBS)
tests_sanitize_fault_DEPENDENCIES = libpcap.stamp
$(tests_sanitize_fault_OBJECTS): | libpcap.stamp
