/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* remains: what other datapaths than the one in use have left on this host, where they forward, or keep it from
 * forwarding. */

#include <stdbool.h>

#include "driver/driver.h"

struct agent_config;

/* A line for each datapath that has left something. Asks there and waits for the answers. */
bool remains_each(const struct agent_config *config, driver_warning fn, void *arg);
