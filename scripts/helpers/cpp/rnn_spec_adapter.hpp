// What every adapter for the rnn-spec conformance kit needs, in one header to copy. C++17, no dependency.
//
// An adapter puts a framework's recurrent layers to the goldens. With this header it is one function, which
// runs one layer in one direction over a batch of sequences:
//
//   #include "rnn_spec_adapter.hpp"
//   using namespace rnn_spec;
//
//   std::vector<Tensor> layer(Kind kind, const Tensor& x, const std::vector<Tensor>& state, const Weights& w) {
//     if (kind != Kind::lstm) throw Unsupported("only LSTM");
//     // … the framework, fed with x.data, w.ih.data …
//     return {output, h, c};
//   }
//
//   int main(int argc, char** argv) { return run(argc, argv, {"framework 1.0", layer}); }
//
// x is (L, N, features), time first; state is {h} or {h, c}, each (N, H); w holds the weights in PyTorch's
// layout: the gates of an LSTM stand in the order i, f, g, o, those of a GRU in the order r, z, n. What is
// returned is the output, (L, N, H), then the last h, and c. An exception is answered as a refusal. The rest
// is done here: the forms of a request (cells, no batch, batch_first), states that are left out, layers on
// top of each other, the reverse direction (time is turned around before and after), JSON, and a standard
// output that nothing but answers goes to (on POSIX). Packed sequences and projections are unsupported.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace rnn_spec {

/// What the framework cannot do.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A tensor, flat and row-major.
struct Tensor {
  std::vector<size_t> shape;
  std::vector<double> data;
};

enum class Kind { rnn, lstm, gru };

/// The weights of one layer in one direction, as PyTorch has them.
struct Weights {
  Kind kind;
  bool relu;    ///< of an RNN, in place of tanh
  size_t size;  ///< H
  Tensor ih;    ///< (gates * H, features)
  Tensor hh;    ///< (gates * H, H)
  std::vector<double> b_ih, b_hh;  ///< (gates * H), or empty
  size_t gates() const { return kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1; }
};

/// What an adapter consists of.
struct Adapter {
  std::string name;  ///< the framework and its version, which --version prints
  std::function<std::vector<Tensor>(Kind, const Tensor&, const std::vector<Tensor>&, const Weights&)> layer;
  std::function<Tensor(const Tensor&, const Tensor&, const std::vector<double>&)> linear = nullptr;
  bool float64 = false;  ///< whether float64 is put to it
};

namespace detail {

/// JSON, as far as a request needs it.
struct Json {
  enum Type { null, boolean, number, text, list, object } type = null;
  double value = 0;
  std::string string;
  std::vector<Json> items;
  std::vector<std::pair<std::string, Json>> members;

  const Json& operator[](const char* name) const {
    static const Json none;
    for (const auto& [key, item] : members)
      if (key == name) return item;
    return none;
  }
  explicit operator bool() const { return type != null; }
  bool is_true() const { return type == boolean && value != 0; }
};

class Parser {
 public:
  explicit Parser(const std::string& text) : at_(text.c_str()) {}

  Json parse() {
    skip();
    Json found;
    if (*at_ == '{') {
      found.type = Json::object;
      for (++at_, skip(); *at_ != '}'; skip()) {
        Json key = parse();
        expect(':');
        found.members.emplace_back(key.string, parse());
        if (skip(), *at_ == ',') ++at_;
      }
      ++at_;
    } else if (*at_ == '[') {
      found.type = Json::list;
      for (++at_, skip(); *at_ != ']'; skip()) {
        found.items.push_back(parse());
        if (skip(), *at_ == ',') ++at_;
      }
      ++at_;
    } else if (*at_ == '"') {
      found.type = Json::text;
      for (++at_; *at_ != '"'; ++at_) {
        if (!*at_) fail();
        if (*at_ == '\\' && *++at_ != '"' && *at_ != '\\' && *at_ != '/') found.string += '\\';
        found.string += *at_;  // other escapes stay as they are: ids and names have none
      }
      ++at_;
    } else if (!std::strncmp(at_, "true", 4) || !std::strncmp(at_, "false", 5)) {
      found.type = Json::boolean;
      found.value = *at_ == 't';
      at_ += *at_ == 't' ? 4 : 5;
    } else if (!std::strncmp(at_, "null", 4)) {
      at_ += 4;
    } else {
      char* end = nullptr;
      found.type = Json::number;
      found.value = std::strtod(at_, &end);
      if (end == at_) fail();
      at_ = end;
    }
    return found;
  }

 private:
  void skip() {
    while (*at_ == ' ' || *at_ == '\t' || *at_ == '\r' || *at_ == '\n') ++at_;
  }
  void expect(char c) {
    skip();
    if (*at_++ != c) fail();
  }
  [[noreturn]] void fail() { throw std::runtime_error("this is no JSON"); }
  const char* at_;
};

inline size_t product(const std::vector<size_t>& shape, size_t from = 0) {
  size_t size = 1;
  for (size_t k = from; k < shape.size(); ++k) size *= shape[k];
  return size;
}

inline Tensor read(const Json& json) {
  Tensor x;
  for (const auto& extent : json["shape"].items) x.shape.push_back(size_t(extent.value));
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& item : json["data"].items)
    x.data.push_back(item.type == Json::number ? item.value
                     : item.string == "Infinity" ? infinity
                     : item.string == "-Infinity" ? -infinity
                                                  : std::nan(""));
  return x;
}

inline std::string quote(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  return quoted + '"';
}

inline std::string write(const Tensor& x) {
  std::string out = "{\"shape\": [";
  for (size_t k = 0; k < x.shape.size(); ++k) out += (k ? "," : "") + std::to_string(x.shape[k]);
  out += "], \"data\": [";
  char digits[32];
  for (size_t i = 0; i < x.data.size(); ++i) {
    const double v = x.data[i];
    std::snprintf(digits, sizeof digits, "%.17g", v);
    out += i ? "," : "";
    out += std::isnan(v) ? "\"NaN\"" : std::isinf(v) ? (v > 0 ? "\"Infinity\"" : "\"-Infinity\"") : digits;
  }
  return out + "]}";
}

/// One index of the first dimension.
inline Tensor at(const Tensor& x, size_t index) {
  const size_t size = product(x.shape, 1);
  return {{x.shape.begin() + 1, x.shape.end()},
          {x.data.begin() + index * size, x.data.begin() + (index + 1) * size}};
}

inline Tensor stack(const std::vector<Tensor>& parts) {
  Tensor result{parts[0].shape, {}};
  result.shape.insert(result.shape.begin(), parts.size());
  for (const auto& part : parts) result.data.insert(result.data.end(), part.data.begin(), part.data.end());
  return result;
}

/// The first two dimensions exchanged.
inline Tensor swap(const Tensor& x) {
  const size_t a = x.shape[0], b = x.shape[1], size = product(x.shape, 2);
  Tensor turned{x.shape, {}};
  std::swap(turned.shape[0], turned.shape[1]);
  for (size_t j = 0; j < b; ++j)
    for (size_t i = 0; i < a; ++i) {
      const auto from = x.data.begin() + (i * b + j) * size;
      turned.data.insert(turned.data.end(), from, from + size);
    }
  return turned;
}

/// Time turned around.
inline Tensor turn(const Tensor& x) {
  Tensor turned{x.shape, {}};
  for (size_t t = x.shape[0]; t-- > 0;) {
    const Tensor row = at(x, t);
    turned.data.insert(turned.data.end(), row.data.begin(), row.data.end());
  }
  return turned;
}

/// Two tensors side by side in the last dimension.
inline Tensor beside(const Tensor& a, const Tensor& b) {
  const size_t m = a.shape[2], n = b.shape[2];
  Tensor both{{a.shape[0], a.shape[1], m + n}, {}};
  for (size_t i = 0; i < a.shape[0] * a.shape[1]; ++i) {
    both.data.insert(both.data.end(), a.data.begin() + i * m, a.data.begin() + (i + 1) * m);
    both.data.insert(both.data.end(), b.data.begin() + i * n, b.data.begin() + (i + 1) * n);
  }
  return both;
}

inline std::vector<std::vector<Weights>> layers_of(Kind kind, bool relu, const Json& named, bool cell) {
  std::vector<std::vector<Weights>> found;
  for (int k = 0; !cell || k == 0; ++k) {
    std::vector<Weights> own;
    for (const char* end : {"", "_reverse"}) {
      const std::string suffix = cell ? "" : "_l" + std::to_string(k) + end;
      if (cell && *end) break;
      const auto part = [&](const char* name) { return named[(name + suffix).c_str()]; };
      if (!part("weight_ih")) continue;
      const Tensor hh = read(part("weight_hh"));
      own.push_back({kind, relu, hh.shape[1], read(part("weight_ih")), hh, read(part("bias_ih")).data,
                     read(part("bias_hh")).data});
    }
    if (own.empty()) break;
    found.push_back(own);
  }
  return found;
}

using Outputs = std::vector<std::pair<std::string, Tensor>>;

/// Brings the forms of a request to one, runs the layers, and brings the results back.
inline Outputs recurrent(const Adapter& adapter, Kind kind, bool cell, const Json& request) {
  const Json &args = request["args"], &inputs = request["inputs"];
  const auto layers =
      layers_of(kind, args["nonlinearity"].string == "relu", request["state_dict"], cell);
  Tensor x = read(inputs["input"]);
  const bool single = x.shape.size() == (cell ? 1 : 2);
  const bool flip = args["batch_first"].is_true() && !single && !cell;
  const auto widen = [&](Tensor y) {
    if (cell) y.shape.insert(y.shape.begin(), 1);
    if (single) y.shape.insert(y.shape.begin() + 1, 1);
    return y;
  };
  const auto narrow = [&](Tensor y) {
    if (single) y.shape.erase(y.shape.begin() + 1);
    if (cell) y.shape.erase(y.shape.begin());
    return y;
  };
  x = widen(x);
  if (flip) x = swap(x);
  size_t rows = 0;
  for (const auto& directions : layers) rows += directions.size();
  std::vector<Tensor> states;
  for (const char* name : {"h_0", "c_0"}) {
    if (*name == 'c' && kind != Kind::lstm) break;
    const size_t size = layers[0][0].size, batch = x.shape[1];
    states.push_back(inputs[name] ? widen(read(inputs[name]))
                                  : Tensor{{rows, batch, size}, std::vector<double>(rows * batch * size)});
  }
  std::vector<std::vector<Tensor>> finals(states.size());
  for (const auto& directions : layers) {
    std::vector<Tensor> halves;
    for (size_t direction = 0; direction < directions.size(); ++direction) {
      std::vector<Tensor> start;
      for (const auto& part : states) start.push_back(at(part, finals[0].size()));
      auto results = adapter.layer(kind, direction ? turn(x) : x, start, directions[direction]);
      halves.push_back(direction ? turn(results[0]) : results[0]);
      for (size_t k = 0; k < finals.size(); ++k) finals[k].push_back(results[k + 1]);
    }
    x = halves.size() == 2 ? beside(halves[0], halves[1]) : halves[0];
  }
  Outputs outputs;
  if (!cell) outputs.emplace_back("output", narrow(flip ? swap(x) : x));
  for (size_t k = 0; k < finals.size(); ++k)
    outputs.emplace_back(std::string(k ? "c" : "h") + (cell ? "_1" : "_n"), narrow(stack(finals[k])));
  return outputs;
}

inline Outputs answer(const Adapter& adapter, const Json& request) {
  const Json &args = request["args"], &inputs = request["inputs"];
  std::string module = request["module"].string;
  if (request["op"].string != "forward") throw Unsupported("only forward passes are put to it");
  if (request["dtype"].string == "float64" && !adapter.float64) throw Unsupported("float64");
  if (inputs["lengths"]) throw Unsupported("packed sequences: there are no lengths");
  if (args["proj_size"].value > 0) throw Unsupported("proj_size");
  if (request["training"].is_true() && args["dropout"].value > 0) throw Unsupported("dropout in training");
  if (module == "Linear" && adapter.linear) {
    const Json& named = request["state_dict"];
    return {{"output", adapter.linear(read(inputs["input"]), read(named["weight"]), read(named["bias"]).data)}};
  }
  const bool cell = module.size() > 4 && module.compare(module.size() - 4, 4, "Cell") == 0;
  const std::string name = cell ? module.substr(0, module.size() - 4) : module;
  const std::map<std::string, Kind> kinds{{"RNN", Kind::rnn}, {"LSTM", Kind::lstm}, {"GRU", Kind::gru}};
  if (!kinds.count(name)) throw Unsupported("module " + module);
  return recurrent(adapter, kinds.at(name), cell, request);
}

}  // namespace detail

/// Answers requests on standard input until it ends.
inline int run(int argc, char** argv, const Adapter& adapter) {
  if (argc > 1 && !std::strcmp(argv[1], "--version")) {
    std::puts(adapter.name.c_str());
    return 0;
  }
  FILE* out = stdout;
#if defined(__unix__) || defined(__APPLE__)
  out = fdopen(dup(1), "w");  // frameworks greet on standard output: that goes to the errors
  dup2(2, 1);
#endif
  for (std::string line; std::getline(std::cin, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const detail::Json request = detail::Parser(line).parse();
    std::string result;
    try {
      for (const auto& [name, x] : detail::answer(adapter, request))
        result += (result.empty() ? "\"outputs\": {" : ", ") + detail::quote(name) + ": " + detail::write(x);
      result += "}";
    } catch (const Unsupported& why) {
      result = "\"unsupported\": " + detail::quote(why.what());
    } catch (const std::exception& error) {
      result = "\"error\": {\"type\": \"Error\", \"message\": " + detail::quote(error.what()) + "}";
    }
    std::fprintf(out, "{\"id\": %s, %s}\n", detail::quote(request["id"].string).c_str(), result.c_str());
    std::fflush(out);
  }
  return 0;
}

}  // namespace rnn_spec
