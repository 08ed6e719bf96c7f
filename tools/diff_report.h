// Differences of two sides as tables for people or JSON lines for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api.h"
#include "json_io.h"
#include "terminal.h"

namespace inference::tools {

struct DiffReportOptions {
  bool json = false;
  bool last = false;            // of what follows the last token: no token is given
  bool summaries_only = false;  // no tables
};

class DiffReport {
 public:
  DiffReport(const Tokenizer& tokenizer, DiffReportOptions options);
  void Begin(std::optional<float> scale);
  // Item `index` of inf_diff, which is of `text`. An item that failed is told as such.
  void Add(const Items& items, uint64_t index, const std::string& text);
  void End();  // where there were several texts, a line of all of them

 private:
  struct Moved {
    inf_token id;
    float base, adapted;
  };
  struct Row {
    float base, adapted, kl, kl_reverse, js;
    std::vector<Moved> moved;
  };
  struct TextDiff {
    inf_diff_desc desc;
    std::vector<inf_token> ids;
    std::vector<Row> rows;
  };
  TextDiff Read(const Items& items, uint64_t index) const;
  Json JsonOf(const TextDiff& diff) const;
  void Table(const TextDiff& diff) const;
  std::string Line(const TextDiff& diff, size_t row) const;
  std::string SummaryLine(const inf_diff_desc& desc) const;
  // As it is in the vocabulary; none for an id beyond the tokenizer's, whose logits are padding.
  std::optional<std::string> TokenText(inf_token id) const;
  std::string TokenName(inf_token id) const;  // for people

  const Tokenizer& tokenizer_;
  const DiffReportOptions options_;
  const Colors colors_;
  std::optional<float> scale_;
  inf_diff_desc all_ = {};  // sums of what End tells
  size_t texts_ = 0;
  bool is_first_ = true;
};

}  // namespace inference::tools
