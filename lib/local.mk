# libxdpcap.a: hooks for loaders, <xdpcap/loader.h>. A static library of a few
# functions, so that a loader needs nothing more at run time than libbpf.
ARFLAGS = cr
lib_LIBRARIES = libxdpcap.a
libxdpcap_a_SOURCES = lib/loader.c lib/xdpcap/loader.h
libxdpcap_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/lib
# also for shared objects and position-independent executables
libxdpcap_a_CFLAGS = $(AM_CFLAGS) -fPIC

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = lib/libxdpcap.pc

xdpcapinclude_HEADERS += lib/xdpcap/loader.h
dist_examples_DATA += lib/example-loader.c
dist_man_MANS += doc/libxdpcap.3
