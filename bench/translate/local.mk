# What the translator's programs cost: see bench/translate/run. Not built by
# make all or make check; `make bench-translate' does.
EXTRA_PROGRAMS = bench/translate/bench
bench_translate_bench_SOURCES = bench/translate/bench.c \
	$(translate_common) $(translate_packets)
bench_translate_bench_CPPFLAGS = $(TRANSLATE_CPPFLAGS)
bench_translate_bench_LDADD = $(LIBPCAP_LIBS) $(LIBBPF_LIBS)
bench_translate_bench_DEPENDENCIES = libpcap.stamp

$(bench_translate_bench_OBJECTS): | libpcap.stamp

bench-translate: bench/translate/bench bench/translate/filters.bpf.o

.PHONY: bench-translate

bpf_objects += bench/translate/filters.bpf.o
CLEANFILES += bench/translate/bench
