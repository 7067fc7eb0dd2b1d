// Built for another pnflow.

extern "C" __attribute__((visibility("default"))) const char* pnflow_abi() {
  return "pnflow-0.0.1";
}
extern "C" __attribute__((visibility("default"))) void pnflow_register(void*) {}
