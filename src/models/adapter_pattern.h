// Which modules a regular expression of adapter_config.json means, as PEFT reads it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace inference {

class AdapterPattern {  // immutable
 public:
  enum class Match {
    kWhole,  // re.fullmatch(pattern, module): target_modules
    kEnd,    // re.match("(.*\.)?(pattern)$", module): keys of rank_pattern and alpha_pattern
  };

  // `name` ("FILE: FIELD") begins every message. FORMAT for a bad pattern, LIMIT for a long one.
  AdapterPattern(std::string_view pattern, Match match, std::string name);

  // LIMIT where it takes too many steps.
  bool Matches(std::string_view module) const;

 private:
  std::string name_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

}  // namespace inference
