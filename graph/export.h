#pragma once

// Everything in libpnflow.so is hidden but what carries this mark: the interface that plugins see.
#define PNFLOW_API __attribute__((visibility("default")))
