/* SPDX-License-Identifier: Apache-2.0
 * The SQLite store holds the contract of the store port.
 */
#include "adapters/store_sqlite.h"
#include "store_contract.h"

int main(void)
{
    static const struct store_subject sqlite = { "sqlite", bsc_store_sqlite_open,
                                                 bsc_store_sqlite_close };
    return store_contract_run(&sqlite);
}
