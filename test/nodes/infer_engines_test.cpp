// What infer does about its engines: warm-up, their memory, and the loss of one.

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "nodes/infer.h"

using namespace pnflow;
using namespace pnflow::test;
using namespace std::chrono_literals;

namespace {

// What all engines of a test do and are asked for.
struct Script {
  std::function<void(int engine)> warm_up = [](int) {};
  std::function<bool(int engine)> fails = [](int) { return false; };  // and is lost with it
  std::shared_ptr<MemoryPool> pool;
  EngineSettings settings;  // with which they were made
  std::mutex mutex;
  std::vector<std::set<std::thread::id>> threads;  // of each engine, that have called it
};

class ScriptedEngine : public InferenceEngine {
 public:
  ScriptedEngine(Script& script, int index) : script_(script), index_(index) {}
  std::shared_ptr<MemoryPool> pool() override { return script_.pool; }
  bool lost() const override { return lost_; }
  void warm_up() override {
    note_thread();
    script_.warm_up(index_);
  }
  void launch(const MicroBatch& batch, Done done) override {
    note_thread();
    if (lost_ || script_.fails(index_)) {
      lost_ = true;
      return done(std::make_exception_ptr(DataError("device error", "device 7: it burns")));
    }
    for (const EngineImage& image : batch.images) {
      std::fill_n(image.map, batch.geometry.map_bytes(MapFormat::bits), std::byte{0});
    }
    done(nullptr);
  }

 private:
  void note_thread() {
    const std::lock_guard lock(script_.mutex);
    script_.threads[static_cast<std::size_t>(index_)].insert(std::this_thread::get_id());
  }

  Script& script_;
  int index_;
  std::atomic<bool> lost_ = false;
};

struct ScriptedFactory : EngineFactory {
  explicit ScriptedFactory(Script& s) : script(s) {}
  std::vector<std::unique_ptr<InferenceEngine>> make(
      const EngineSettings& settings) const override {
    script.settings = settings;
    script.threads.resize(static_cast<std::size_t>(settings.instances));
    std::vector<std::unique_ptr<InferenceEngine>> engines;
    for (int i = 0; i < settings.instances; ++i) {
      engines.push_back(std::make_unique<ScriptedEngine>(script, i));
    }
    return engines;
  }
  Script& script;
};

struct Stage {
  Stage(int engines, Infer::OnDeviceError on_device_error)
      : infer({.engine = "scripted",
               .on_device_error = on_device_error,
               .max_wait = 1ms,
               .instances = engines}) {
    const std::shared_ptr<EngineFactory> factory = std::make_shared<ScriptedFactory>(script);
    context.registry().offer(std::string(engine_interface), "scripted", factory);
  }
  void submit() {
    MutableArray image(*heap_pool(), DType::u16, {1, 100, 1000});
    std::ranges::fill(image.raw(), std::byte{0});
    Batch batch(1);
    batch.set("image", std::move(image).freeze());
    infer.submit(std::move(batch), Completion(Context(1), [this](const std::optional<Batch>&,
                                                                 const Context& answered) {
                   const std::lock_guard lock(mutex);
                   ++answers;
                   failed += answered.alive(0) ? 0 : 1;
                   arrived.notify_all();
                 }));
  }
  void wait_for(int count) {
    std::unique_lock lock(mutex);
    REQUIRE(arrived.wait_for(lock, 20s, [&] { return answers >= count; }));
  }

  Script script;
  FakeServices services;
  FakeOpen context{services};
  std::mutex mutex;
  std::condition_variable arrived;
  int answers = 0;
  int failed = 0;
  Infer infer;
};

}  // namespace

TEST_CASE("an engine is warmed up by the thread that launches") {
  Stage stage(3, Infer::OnDeviceError::stop);
  stage.infer.open(stage.context);
  for (int i = 0; i < 30; ++i) stage.submit();
  stage.wait_for(30);
  stage.infer.close();
  std::set<std::thread::id> all;
  for (const auto& threads : stage.script.threads) {
    CHECK(threads.size() == 1);
    all.insert(threads.begin(), threads.end());
  }
  CHECK(all.size() == 3);
  CHECK(!all.contains(std::this_thread::get_id()));
}

TEST_CASE("an engine that cannot be warmed up ends the run before it begins") {
  Stage stage(2, Infer::OnDeviceError::stop);
  stage.script.warm_up = [](int engine) {
    if (engine == 1) throw RunError("too little memory");
  };
  CHECK_THROWS_WITH_AS(stage.infer.open(stage.context), "too little memory", RunError);
}

TEST_CASE("the run goes on without a lost engine where that is asked for") {
  Stage stage(2, Infer::OnDeviceError::go_on);
  stage.script.fails = [](int engine) { return engine == 0; };
  stage.infer.open(stage.context);
  for (int i = 0; i < 200; ++i) stage.submit();
  stage.wait_for(200);
  stage.infer.close();
  CHECK(stage.failed <= 1);
  CHECK(stage.services.run_errors().empty());
  const std::string line = stage.services.line_with("device 7: it burns");
  CHECK((stage.failed == 0 || line.find("goes on with 1 of 2 pipelines") != std::string::npos));
}

TEST_CASE("a lost engine ends the run, and all messages are answered") {
  for (const auto policy : {Infer::OnDeviceError::stop, Infer::OnDeviceError::go_on}) {
    Stage stage(policy == Infer::OnDeviceError::stop ? 1 : 2, policy);
    stage.script.fails = [](int) { return true; };
    stage.infer.open(stage.context);
    for (int i = 0; i < 50; ++i) stage.submit();
    stage.wait_for(50);
    stage.infer.close();
    CHECK(stage.failed == 50);
    const auto errors = stage.services.run_errors();
    REQUIRE(!errors.empty());
    CHECK(errors.front() == "device 7: it burns");
  }
}

TEST_CASE("engines are told whether CUDA graphs are wanted") {
  for (const CudaGraph wanted : {CudaGraph::automatic, CudaGraph::off}) {
    Script script;
    FakeServices services;
    FakeOpen context(services);
    const std::shared_ptr<EngineFactory> factory = std::make_shared<ScriptedFactory>(script);
    context.registry().offer(std::string(engine_interface), "scripted", factory);
    Infer infer({.engine = "scripted", .cuda_graph = wanted});
    infer.open(context);
    infer.close();
    CHECK(script.settings.cuda_graph == wanted);
  }
}

TEST_CASE("memory for the results of all messages is taken with the first one of a size") {
  std::atomic<int> taken = 0;
  Stage stage(1, Infer::OnDeviceError::stop);
  constexpr std::align_val_t alignment{64};
  stage.script.pool = std::make_shared<BlockPool>(
      [&taken](std::size_t bytes) {
        ++taken;
        return static_cast<std::byte*>(::operator new(bytes, alignment));
      },
      [](std::byte* block, std::size_t) { ::operator delete(block, alignment); });
  stage.infer.open(stage.context);
  for (int i = 0; i < 20; ++i) {
    stage.submit();
    stage.wait_for(i + 1);
    CHECK(taken == stage.context.window() + 1);
  }
  stage.infer.close();
}
