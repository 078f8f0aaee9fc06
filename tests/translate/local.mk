# The translator's tests: see tests/translate/run. The translator is compiled
# into each, and libpcap is this build's.
translator = \
	pcap-xdpcap/ancillary.h \
	pcap-xdpcap/translate.c \
	pcap-xdpcap/translate.h
translate_common = \
	$(translator) \
	tests/translate/kernel.c \
	tests/translate/kernel.h \
	tests/translate/oracle.c \
	tests/translate/oracle.h \
	tests/translate/vm.c \
	tests/translate/vm.h
translate_reference = \
	tests/translate/reference.c \
	tests/translate/reference.h
translate_random = \
	tests/translate/random.c \
	tests/translate/random.h
translate_packets = \
	tests/translate/packets.c \
	tests/translate/packets.h

TRANSLATE_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS) \
	-I$(srcdir)/tests/translate

check_PROGRAMS += \
	tests/translate/cook \
	tests/translate/corpus \
	tests/translate/fuzz \
	tests/translate/seeds \
	tests/translate/unit

tests_translate_cook_SOURCES = tests/translate/cook.c \
	pcap-xdpcap/cook.c pcap-xdpcap/cook.h $(translate_common) \
	$(translate_reference) $(translate_random) $(translate_packets)
tests_translate_cook_CPPFLAGS = $(TRANSLATE_CPPFLAGS)
tests_translate_cook_LDADD = $(LIBPCAP_LIBS)
tests_translate_cook_DEPENDENCIES = libpcap.stamp

tests_translate_corpus_SOURCES = tests/translate/corpus.c \
	$(translate_common) $(translate_reference) $(translate_packets)
tests_translate_corpus_CPPFLAGS = $(TRANSLATE_CPPFLAGS)
tests_translate_corpus_LDADD = $(LIBPCAP_LIBS)
tests_translate_corpus_DEPENDENCIES = libpcap.stamp

tests_translate_fuzz_SOURCES = tests/translate/fuzz.c \
	$(translate_common) $(translate_reference) $(translate_random)
tests_translate_fuzz_CPPFLAGS = $(TRANSLATE_CPPFLAGS)
tests_translate_fuzz_LDADD = $(LIBPCAP_LIBS)
tests_translate_fuzz_DEPENDENCIES = libpcap.stamp

tests_translate_seeds_SOURCES = tests/translate/seeds.c \
	$(translate_common) $(translate_random)
tests_translate_seeds_CPPFLAGS = $(TRANSLATE_CPPFLAGS)
tests_translate_seeds_LDADD = $(LIBPCAP_LIBS)
tests_translate_seeds_DEPENDENCIES = libpcap.stamp

tests_translate_unit_SOURCES = tests/translate/unit.c $(translate_common)
tests_translate_unit_CPPFLAGS = $(TRANSLATE_CPPFLAGS)
tests_translate_unit_LDFLAGS = \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
tests_translate_unit_LDADD = $(LIBPCAP_LIBS)
tests_translate_unit_DEPENDENCIES = libpcap.stamp

$(tests_translate_cook_OBJECTS) $(tests_translate_corpus_OBJECTS) \
$(tests_translate_fuzz_OBJECTS) $(tests_translate_seeds_OBJECTS) \
$(tests_translate_unit_OBJECTS): | libpcap.stamp
