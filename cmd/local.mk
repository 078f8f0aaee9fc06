# xdpcap: captures into files.
bin_PROGRAMS += xdpcap
# xdpcap hook, which looks at hooks itself
hook_sources = \
	cmd/hook-census.c \
	cmd/hook-census.h \
	cmd/hook-count.c \
	cmd/hook-count.h \
	cmd/hook-explain.c \
	cmd/hook-explain.h \
	cmd/hook-list.c \
	cmd/hook-list.h \
	cmd/hook-main.c \
	cmd/hook-main.h \
	cmd/hook-netns.c \
	cmd/hook-netns.h \
	pcap-xdpcap/clock.h \
	pcap-xdpcap/hook.c \
	pcap-xdpcap/hook.h \
	pcap-xdpcap/privileges.c \
	pcap-xdpcap/privileges.h \
	pcap-xdpcap/slot.c \
	pcap-xdpcap/slot.h \
	pcap-xdpcap/survey.c \
	pcap-xdpcap/survey.h
xdpcap_SOURCES = \
	cmd/capture.c \
	cmd/capture.h \
	cmd/extcap.c \
	cmd/extcap.h \
	cmd/filter.c \
	cmd/filter.h \
	$(hook_sources) \
	cmd/main.c \
	cmd/options.c \
	cmd/options.h \
	cmd/output.c \
	cmd/output.h \
	cmd/pcapng.c \
	cmd/pcapng.h \
	cmd/stats.c \
	cmd/stats.h \
	cmd/status.h
xdpcap_CPPFLAGS = $(AM_CPPFLAGS) $(LIBPCAP_CPPFLAGS) -I$(srcdir)/lib
xdpcap_LDADD = $(LIBPCAP_LIBS) libxdpcap.a $(LIBBPF_LIBS) $(LIBCAP_LIBS) $(JANSSON_LIBS)
# The libpcap that it is installed with, also where the dynamic linker does not
# search. LD_LIBRARY_PATH goes first.
xdpcap_LDFLAGS = -Wl,--enable-new-dtags,-rpath,'$(libdir)'
xdpcap_DEPENDENCIES = libpcap.stamp libxdpcap.a
$(xdpcap_OBJECTS): | libpcap.stamp

# As an extcap, the same program; see cmd/extcap.h.
if EXTCAP
install_extcap = install-extcap
uninstall_extcap = uninstall-extcap
endif

install-extcap:
	$(MKDIR_P) '$(DESTDIR)$(extcapdir)'
	ln -sf '$(bindir)/xdpcap' '$(DESTDIR)$(extcapdir)/xdpcap'

uninstall-extcap:
	rm -f '$(DESTDIR)$(extcapdir)/xdpcap'
	@rmdir '$(DESTDIR)$(extcapdir)' '$(DESTDIR)$(extcapdir)/..' 2>/dev/null || :

.PHONY: install-extcap uninstall-extcap
