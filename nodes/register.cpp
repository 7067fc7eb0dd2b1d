#include "nodes/register.h"

#include "gpu/builtin_engines.h"
#include "graph/registry.h"
#include "nodes/cxi_writer.h"
#include "nodes/decode.h"
#include "nodes/file_source.h"
#include "nodes/find_peaks.h"
#include "nodes/infer.h"
#include "nodes/limiter.h"
#include "nodes/null_sink.h"
#include "nodes/record.h"
#include "nodes/sim_source.h"
#include "nodes/throttle.h"
#include "nodes/zmq_source.h"

namespace pnflow {

void register_builtin_nodes(Registry& registry) {
  registry.add<ZmqSource>("zmq_source");
  registry.add<FileSource>("file_source");
  registry.add<SimSource>("sim_source");
  registry.add<Decode>("decode");
  registry.add<Limiter>("limiter");
  registry.add<Infer>("infer");
  registry.add<FindPeaks>("find_peaks");
  registry.add<Throttle>("throttle");
  registry.add<CxiWriter>("cxi_writer");
  registry.add<Record>("record");
  registry.add<NullSink>("null_sink");
  register_builtin_engines(registry);
}

}  // namespace pnflow
