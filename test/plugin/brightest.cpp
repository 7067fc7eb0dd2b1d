#include "brightest.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace my_nodes {

namespace {

double brightest_pixel(const pnflow::Array& image) {
  // Detectors send many types of pixels; this calls the lambda with one of the image's.
  return pnflow::dispatch(image.dtype(), [&](auto type) {
    double brightest = -std::numeric_limits<double>::infinity();
    for (const auto pixel : image.as<decltype(type)>()) {
      brightest = std::max(brightest, static_cast<double>(pixel));  // a NaN is never the larger
    }
    return brightest;
  });
}

}  // namespace

void Brightest::describe(pnflow::Spec<Params>& spec) {
  spec.summary("Vetoes events without a pixel above a threshold.");
  spec.reads("image").rank(3, 4).help("raw pixels");
  spec.adds("brightest").dtypes({pnflow::DType::f64}).rank(1).help("the brightest pixel, ADU");
  spec.param("threshold", &Params::threshold)
      .unit("ADU")
      .at_least(0)
      .help("the brightest pixel of a kept event is at least this");
}

pnflow::Batch Brightest::process(const pnflow::Batch& batch, pnflow::Context& context) const {
  const pnflow::Array& images = batch.array("image");
  pnflow::MutableArray brightest(context.pool(), pnflow::DType::f64, {batch.events()});
  const auto values = brightest.as<double>();
  for (std::size_t i = 0; i < batch.events(); ++i) {
    values[i] = 0;
    if (!context.alive(i)) continue;  // vetoed or failed before: it travels on, not worked on
    values[i] = brightest_pixel(images.at(i));
    if (values[i] < params_.threshold) context.veto(i, "dark");
  }
  pnflow::Batch answer = batch;  // shares the images, copies none
  answer.set("brightest", std::move(brightest).freeze());
  return answer;
}

}  // namespace my_nodes
