/* SPDX-License-Identifier: Apache-2.0
 * contract/store_same.h - rows of the store port, compared field by field.
 */
#ifndef BASCULE_TESTS_CONTRACT_STORE_SAME_H
#define BASCULE_TESTS_CONTRACT_STORE_SAME_H

#include "ports/store.h"

#define assert_field(got, want, field) assert_int_equal((got)->field, (want)->field)

void assert_same_spec(const struct bsc_spec *got, const struct bsc_spec *want);
void assert_same_service(const struct bsc_service_row *got, const struct bsc_service_row *want);
void assert_same_instance(const struct bsc_instance_row *got, const struct bsc_instance_row *want);
void assert_same_release(const struct bsc_release_row *got, const struct bsc_release_row *want);
void assert_same_rollout(const struct bsc_rollout_row *got, const struct bsc_rollout_row *want);
void assert_same_record(const struct bsc_record *got, const struct bsc_record *want);

#endif
