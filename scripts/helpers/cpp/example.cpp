// The three layers by hand: an example of an adapter, and the test of the header.
//
//   c++ -std=c++17 -O2 -o example example.cpp

#include "rnn_spec_adapter.hpp"

using namespace rnn_spec;

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// W x + b for each row of x.
static Tensor affine(const Tensor& x, const Tensor& w, const std::vector<double>& b) {
  const size_t size = w.shape[0], features = w.shape[1], rows = detail::product(x.shape) / std::max<size_t>(features, 1);
  Tensor y{x.shape, {}};
  y.shape.back() = size;
  for (size_t row = 0; row < (features ? rows : detail::product(y.shape) / std::max<size_t>(size, 1)); ++row)
    for (size_t k = 0; k < size; ++k) {
      double sum = b.empty() ? 0 : b[k];
      for (size_t i = 0; i < features; ++i) sum += w.data[k * features + i] * x.data[row * features + i];
      y.data.push_back(sum);
    }
  return y;
}

static std::vector<Tensor> layer(Kind kind, const Tensor& x, const std::vector<Tensor>& state, const Weights& w) {
  const size_t length = x.shape[0], batch = x.shape[1], size = w.size;
  std::vector<Tensor> now = state;
  Tensor output{{length, batch, size}, {}};
  for (size_t t = 0; t < length; ++t) {
    const Tensor a = affine(detail::at(x, t), w.ih, w.b_ih), b = affine(now[0], w.hh, w.b_hh);
    for (size_t n = 0; n < batch; ++n)
      for (size_t k = 0; k < size; ++k) {
        const auto at = [&](size_t gate) { return (n * w.gates() + gate) * size + k; };
        const auto sum = [&](size_t gate) { return a.data[at(gate)] + b.data[at(gate)]; };
        double& h = now[0].data[n * size + k];
        if (kind == Kind::rnn) {
          h = !w.relu ? std::tanh(sum(0)) : sum(0) < 0 ? 0 : sum(0);
        } else if (kind == Kind::gru) {
          const double r = sigmoid(sum(0)), z = sigmoid(sum(1));
          h = (1 - z) * std::tanh(a.data[at(2)] + r * b.data[at(2)]) + z * h;
        } else {
          double& c = now[1].data[n * size + k];
          c = sigmoid(sum(1)) * c + sigmoid(sum(0)) * std::tanh(sum(2));
          h = sigmoid(sum(3)) * std::tanh(c);
        }
      }
    output.data.insert(output.data.end(), now[0].data.begin(), now[0].data.end());
  }
  now.insert(now.begin(), output);
  return now;
}

int main(int argc, char** argv) { return run(argc, argv, {"plain C++", layer, affine, true}); }
