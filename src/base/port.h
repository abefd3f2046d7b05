/* SPDX-License-Identifier: Apache-2.0
 * base/port.h - is a TCP port free for the command?
 */
#ifndef BASCULE_BASE_PORT_H
#define BASCULE_BASE_PORT_H

#include "base/error.h"

/* BSC_EXISTS with "port N is in use by NAME (pid P)" when a socket has it on any address, IPv4 or
 * IPv6: an instance may listen on all of them. Connections in TIME_WAIT do not count. */
enum bsc_status bsc_port_probe(unsigned port, struct bsc_error *error) BSC_MUST_CHECK;

#endif
