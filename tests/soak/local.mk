# What tests/soak/run needs.
check_PROGRAMS += tests/soak/reader
tests_soak_reader_SOURCES = tests/soak/reader.c
tests_soak_reader_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS)
tests_soak_reader_LDADD = $(LIBPCAP_LIBS)
tests_soak_reader_DEPENDENCIES = libpcap.stamp
$(tests_soak_reader_OBJECTS): | libpcap.stamp
