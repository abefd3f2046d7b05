/* SPDX-License-Identifier: Apache-2.0
 * contract/store_contract.h - what every adapter of the store port must hold.
 */
#ifndef BASCULE_TESTS_CONTRACT_STORE_CONTRACT_H
#define BASCULE_TESTS_CONTRACT_STORE_CONTRACT_H

#include "store_client.h"

/* Runs the suite; returns the number of tests that failed. */
int store_contract_run(const struct store_subject *subject);

#endif
