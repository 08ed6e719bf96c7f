// adapter_config.json in its three forms: PEFT's, mlx-lm's and go-mlx's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/json.h"
#include "models/adapter_pattern.h"

namespace inference {

// The form that a module's tensors have, too: PEFT and go-mlx store A [r, in] and B [out, r],
// mlx-lm A [in, r] and B [r, out].
enum class AdapterFormat { kPeft, kMlxLm, kGoMlx };

const char* NameOf(AdapterFormat format);  // "peft", "mlx-lm", "go-mlx"

class AdapterConfig {
 public:
  // FORMAT; UNSUPPORTED where a field asks for what is more than A and B.
  explicit AdapterConfig(const File& file);

  const std::string& path() const { return path_; }
  AdapterFormat format() const { return format_; }
  // FORMAT where PEFT would not apply `module` (target_modules, layers_to_transform): `where`,
  // "FILE: tensor NAME", is a tensor of it.
  void RequireTargeted(const std::string& where, const std::string& module, int64_t layer) const;
  // Of all modules the same, but for PEFT's patterns. Nothing where an mlx-lm config does not say.
  std::optional<int64_t> RankOf(const std::string& module) const;
  // What B A is multiplied by: alpha / r, alpha / sqrt(r), or mlx-lm's scale as it is.
  double ScaleOf(const std::string& module, int64_t rank) const;

 private:
  template <typename T>
  using Patterns = std::vector<std::pair<AdapterPattern, T>>;  // the first that matches counts

  void ReadPeft(const JsonFields& config, std::string_view text);
  void ReadTargets(const JsonFields& config);
  void ReadMlxLm(const JsonFields& config);
  void ReadGoMlx(const JsonFields& config);

  std::string path_;
  AdapterFormat format_;
  std::optional<int64_t> rank_;
  double alpha_ = 0.0;  // of mlx-lm: the scale
  bool root_of_rank_ = false;
  Patterns<int64_t> ranks_;
  Patterns<double> alphas_;
  std::vector<std::string> targets_;              // module names or their ends; empty: all
  std::optional<AdapterPattern> target_pattern_;  // or a pattern
  std::vector<int64_t> layers_;                   // empty: all
};

}  // namespace inference
