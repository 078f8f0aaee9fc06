# What tests/manage.sh calls the library with, and the example of its use.
check_PROGRAMS += tests/example-loader tests/loader
tests_example_loader_SOURCES = lib/example-loader.c
tests_example_loader_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/lib
tests_example_loader_LDADD = libxdpcap.a $(LIBBPF_LIBS)
tests_loader_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/lib
tests_loader_LDADD = libxdpcap.a $(LIBBPF_LIBS)
