// SPDX-License-Identifier: BSD-3-Clause
/* Requests to the helper: see request.h. */
#include "request.h"

#include <string.h>

static const char other_version[] =
	"libpcap's xdpcap module is of another version; install both from the same build";

static const char *check_attach(const struct xdpcap_attach *r, size_t len)
{
	size_t path_len = len - sizeof(*r);

	if (len <= sizeof(*r))
		return "the attach request is too short";
	if (r->protocol != XDPCAP_PROTOCOL)
		return other_version;
	if (path_len > XDPCAP_PATH_MAX ||
	    memchr(r->path, '\0', path_len) != r->path + path_len - 1)
		return "the attach request's path is malformed";
	if (r->path[0] != '/')
		return "the attach request's path is not absolute";
	if (!r->snaplen || r->snaplen > XDPCAP_CAPLEN_MAX)
		return "the attach request's snapshot length is out of range";
	if (r->clock > XDPCAP_CLOCK_COARSE)
		return "the attach request's clock is unknown";
	if (r->enter > 1)
		return "the attach request's enter is not 0 or 1";
	if (r->wait > 1)
		return "the attach request's wait is not 0 or 1";
	return NULL;
}

static const char *check_set_filter(const struct xdpcap_set_filter *r, size_t len)
{
	if (len < sizeof(*r) || r->len < 1 || r->len > BPF_MAXINSNS ||
	    len != sizeof(*r) + r->len * sizeof(r->insns[0]))
		return "the filter request's length is wrong";
	if (!r->generation)
		return "the filter request's generation is 0";
	if (!r->snaplen || r->snaplen > XDPCAP_CAPLEN_MAX)
		return "the filter request's snapshot length is out of range";
	if (r->linktype > XDPCAP_LINUX_SLL2)
		return "the filter request's link-layer type is unknown";
	return NULL;
}

static const char *check_list(const struct xdpcap_list *r, size_t len)
{
	if (len != sizeof(*r))
		return "the list request's length is wrong";
	if (r->protocol != XDPCAP_PROTOCOL)
		return other_version;
	return NULL;
}

const char *request_check(const union request *request, size_t len)
{
	if (len < sizeof(request->type))
		return "the request is too short";
	switch (request->type) {
	case XDPCAP_ATTACH:
		return check_attach(&request->attach, len);
	case XDPCAP_SET_FILTER:
		return check_set_filter(&request->filter, len);
	case XDPCAP_LIST:
		return check_list(&request->list, len);
	default:
		return "the request is of an unknown type";
	}
}

bool request_is_list(const union request *request, size_t len)
{
	return len >= sizeof(request->type) && request->type == XDPCAP_LIST;
}
