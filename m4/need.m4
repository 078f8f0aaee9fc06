# XDPCAP_NEED(WHAT, PACKAGE)
# --------------------------
# Note that WHAT is missing and that Debian's PACKAGE has it. configure goes
# on, so that XDPCAP_NEED_REPORT can name everything at once.
AC_DEFUN([XDPCAP_NEED],
[AS_VAR_APPEND([xdpcap_missing], ["
    $1"])
case " $xdpcap_packages " in
*" $2 "*) ;;
*) AS_VAR_APPEND([xdpcap_packages], [" $2"]) ;;
esac])

# XDPCAP_NEED_PROG(VARIABLE, PROGRAM, PACKAGE, [DESCRIPTION])
# -----------------------------------------------------------
# Find PROGRAM, also where administrators' programs are: Debian's bpftool is
# in /usr/sbin, which is not in an ordinary user's path. With a DESCRIPTION,
# configure --help says that VARIABLE can name another.
AC_DEFUN([XDPCAP_NEED_PROG],
[m4_ifval([$4], [AC_ARG_VAR([$1], [$4])])
AC_PATH_PROGS([$1], [$2], [no], [$PATH$PATH_SEPARATOR/usr/sbin$PATH_SEPARATOR/sbin])
AS_VAR_IF([$1], [no], [XDPCAP_NEED([$2], [$3])])])

# XDPCAP_NEED_LIB(LIBRARY, HEADER, FUNCTION, PACKAGE)
# ---------------------------------------------------
AC_DEFUN([XDPCAP_NEED_LIB],
[xdpcap_have_lib=no
AC_CHECK_HEADER([$2], [AC_CHECK_LIB([$1], [$3], [xdpcap_have_lib=yes])])
AS_VAR_IF([xdpcap_have_lib], [no], [XDPCAP_NEED([lib$1 and its header $2], [$4])])])

# XDPCAP_NEED_REPORT
# ------------------
AC_DEFUN([XDPCAP_NEED_REPORT],
[AS_IF([test -n "$xdpcap_missing"],
  [AC_MSG_ERROR([missing:$xdpcap_missing

On Debian, this installs what is missing:

    apt-get install$xdpcap_packages
])])])
