# Lets a plugin outside of this tree say find_package(pnflow) with pnflow_DIR=build/default, and
# link pnflow::graph.

export(TARGETS pnflow_graph NAMESPACE pnflow:: FILE "${PROJECT_BINARY_DIR}/pnflow-config.cmake")
