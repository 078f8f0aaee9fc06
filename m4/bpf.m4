# XDPCAP_BPF
# ----------
# Set CLANG, BPF_CPPFLAGS, BPF_CFLAGS and BPFTOOL to what builds an eBPF
# object and its skeleton, having built a small one.
AC_DEFUN([XDPCAP_BPF],
[AC_ARG_VAR([CLANG], [C compiler that has the bpf target])
AC_ARG_VAR([BPF_CPPFLAGS], [preprocessor flags for eBPF programs])
AC_ARG_VAR([BPF_CFLAGS], [compiler flags for eBPF programs])
AC_CHECK_PROGS([CLANG], [clang clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14], [no])
XDPCAP_NEED_PROG([BPFTOOL], [bpftool], [bpftool], [bpftool, which generates skeletons])

# clang's bpf target does not search the multiarch directory, where Debian
# has <asm/types.h>.
AS_IF([test -z "$BPF_CPPFLAGS"],
  [xdpcap_multiarch=`$CC -print-multiarch 2>/dev/null`
  AS_IF([test -n "$xdpcap_multiarch" && test -d "/usr/include/$xdpcap_multiarch"],
    [BPF_CPPFLAGS="-idirafter /usr/include/$xdpcap_multiarch"])])
# v3 has the atomic instructions that return a value; Linux 5.12 and later
# run it.
AS_IF([test -z "$BPF_CFLAGS"], [BPF_CFLAGS="-O2 -g -mcpu=v3"])

AS_VAR_IF([CLANG], [no], [XDPCAP_NEED([clang], [clang])],
  [AC_MSG_CHECKING([whether $CLANG has the bpf target])
  cat >conftest.bpf.c <<_ACEOF
int nothing;
_ACEOF
  AS_IF([XDPCAP_BPF_COMPILE],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
    XDPCAP_NEED([clang with the bpf target ($CLANG does not have it)], [clang])
    CLANG=no])])

AS_VAR_IF([CLANG], [no], [],
  [AC_MSG_CHECKING([whether $CLANG builds eBPF programs])
  cat >conftest.bpf.c <<_ACEOF
@%:@include <linux/bpf.h>
@%:@include <bpf/bpf_helpers.h>

__u64 word;

SEC("xdp")
int conftest(struct xdp_md *ctx)
{
	return __sync_val_compare_and_swap(&word, 0, ctx->data) ? XDP_PASS
								 : XDP_DROP;
}

char _license[[]] SEC("license") = "Dual BSD/GPL";
_ACEOF
  AS_IF([XDPCAP_BPF_COMPILE],
    [AC_MSG_RESULT([yes])
    AS_VAR_IF([BPFTOOL], [no], [],
      [AC_MSG_CHECKING([whether $BPFTOOL generates skeletons])
      AS_IF([AC_RUN_LOG([$BPFTOOL gen skeleton conftest.bpf.o name conftest >conftest.skel.h])],
	[AC_MSG_RESULT([yes])],
	[AC_MSG_RESULT([no])
	XDPCAP_NEED([bpftool that generates skeletons ($BPFTOOL does not)], [bpftool])])])],
    [AC_MSG_RESULT([no])
    XDPCAP_NEED([headers for eBPF programs: <linux/bpf.h> and <bpf/bpf_helpers.h>], [libbpf-dev])])])
rm -f conftest.bpf.c conftest.bpf.o conftest.skel.h
])

# XDPCAP_BPF_COMPILE
# ------------------
# A shell condition: conftest.bpf.c compiles, to conftest.bpf.o.
m4_define([XDPCAP_BPF_COMPILE],
[AC_RUN_LOG([$CLANG $BPF_CPPFLAGS $BPF_CFLAGS -target bpf -c conftest.bpf.c -o conftest.bpf.o])])
