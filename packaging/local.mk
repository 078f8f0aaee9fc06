# make deb: Debian's packages, built as Debian does, by debhelper in a copy of
# the source, and left in the build directory. They have configure options of
# their own; of this build they take nothing but libpcap's source.
EXTRA_DIST += packaging

deb: $(if $(LIBPCAP_SOURCE),,$(libpcap_source))
	@version=`dpkg-parsechangelog -l $(srcdir)/packaging/debian/changelog -S Version` && \
	case $$version in \
	'$(VERSION)'-*) ;; \
	*) \
		echo "packaging/debian/changelog is for $$version, this is $(VERSION)" >&2; \
		exit 1 ;; \
	esac
	rm -rf deb
	$(MKDIR_P) deb
	$(AM_V_at)$(MAKE) -s distdir distdir=deb/$(PACKAGE)-$(VERSION)
	cp -R $(srcdir)/packaging/debian deb/$(PACKAGE)-$(VERSION)
	$(AM_V_GEN)cd deb/$(PACKAGE)-$(VERSION) && \
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
		LIBPCAP_SOURCE='$(libpcap_source_abs)' \
		dpkg-buildpackage --build=binary --no-sign --jobs=auto \
		>../build.out 2>&1 || { cat ../build.out >&2; exit 1; }
	mv deb/*.deb .
	rm -rf deb/$(PACKAGE)-$(VERSION)

clean-deb:
	rm -rf deb
	rm -f $(PACKAGE)_*.deb $(PACKAGE)-dbgsym_*.deb

.PHONY: deb clean-deb
