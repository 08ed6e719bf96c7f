#include "diff_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "text_columns.h"

namespace inference::tools {
namespace {

constexpr size_t kTokenWidth = 16, kBarWidth = 10, kTitleWidth = 72;  // columns

double Perplexity(double logprob, uint64_t positions) {
  return std::exp(-logprob / static_cast<double>(std::max<uint64_t>(positions, 1)));
}

// A share of ln 2, which is all there can be.
std::string Bar(float js) {
  const double share = std::clamp(static_cast<double>(js) / std::numbers::ln2, 0.0, 1.0);
  const auto cells = static_cast<size_t>(std::lround(share * kBarWidth));
  return fmt::format("{:#<{}}{:.<{}}", "", cells, "", kBarWidth - cells);
}

std::string Percent(float logprob) {
  const double percent = 100.0 * std::exp(static_cast<double>(logprob));
  return fmt::format("{:.{}f}", percent, percent < 9.95 ? 1 : 0);
}

Json Summary(const inf_diff_desc& desc, bool last) {
  Json out = {{"positions", desc.positions}};
  if (!last) {
    out["base_logprob"] = desc.base_logprob;
    out["adapted_logprob"] = desc.adapted_logprob;
    out["base_perplexity"] = Perplexity(desc.base_logprob, desc.positions);
    out["adapted_perplexity"] = Perplexity(desc.adapted_logprob, desc.positions);
  }
  out["mean_kl"] = desc.mean_kl;
  out["mean_kl_reverse"] = desc.mean_kl_reverse;
  out["mean_js"] = desc.mean_js;
  out["max_kl"] = desc.max_kl;
  out["max_js"] = desc.max_js;
  return out;
}

}  // namespace

DiffReport::DiffReport(const Tokenizer& tokenizer, DiffReportOptions options)
    : tokenizer_(tokenizer), options_(options), colors_(STDOUT_FILENO) {}

void DiffReport::Begin(std::optional<float> scale) {
  scale_ = scale;
  all_ = {};
  texts_ = 0;
  if (!options_.json && scale) {
    Out(fmt::format("{}scale {:g}{}\n", colors_.bold, *scale, colors_.reset));
  }
}

void DiffReport::Add(const Items& items, uint64_t index, const std::string& text) {
  Json line = {{"text", text}};
  if (scale_) line["scale"] = *scale_;
  if (!options_.json) {
    if (is_first_) {
      is_first_ = false;
    } else if (!options_.summaries_only) {
      Out("\n");
    }
    Out(fmt::format("{}{}{}\n", colors_.bold, Shortened(QuotedText(text), kTitleWidth),
                    colors_.reset));
  }
  try {
    const TextDiff diff = Read(items, index);
    ++texts_;
    all_.positions += diff.desc.positions;
    all_.base_logprob += diff.desc.base_logprob;
    all_.adapted_logprob += diff.desc.adapted_logprob;
    const auto n = static_cast<double>(diff.desc.positions);
    all_.mean_kl += n * diff.desc.mean_kl;
    all_.mean_kl_reverse += n * diff.desc.mean_kl_reverse;
    all_.mean_js += n * diff.desc.mean_js;
    all_.max_kl = std::max(all_.max_kl, diff.desc.max_kl);
    all_.max_js = std::max(all_.max_js, diff.desc.max_js);
    if (options_.json) {
      line.update(JsonOf(diff));
    } else {
      if (!options_.summaries_only) Table(diff);
      Out(SummaryLine(diff.desc));
    }
  } catch (const ApiError& error) {
    line["error"] = error.what();
    if (!options_.json) {
      Out(fmt::format("{}{}{}\n", colors_.error, Printable(error.what()), colors_.reset));
    }
  }
  if (options_.json) Out(Dump(line) + '\n');
}

void DiffReport::End() {
  if (!options_.json && texts_ > 1) {
    for (double* mean : {&all_.mean_kl, &all_.mean_kl_reverse, &all_.mean_js}) {
      *mean /= static_cast<double>(std::max<uint64_t>(all_.positions, 1));
    }
    Out(fmt::format("{}{} texts{}\n{}", colors_.bold, texts_, colors_.reset, SummaryLine(all_)));
  }
  FlushOut();
}

DiffReport::TextDiff DiffReport::Read(const Items& items, uint64_t index) const {
  TextDiff out = {Sized<inf_diff_desc>(), {}, {}};
  TokensOutput ids;
  FloatsOutput values;
  Call(inf_items_diff, items.get(), index, &out.desc, ids.out(), values.out());
  out.ids.assign(ids.span().begin(), ids.span().end());
  TokensOutput moved;
  FloatsOutput logprobs;
  for (uint64_t i = 0; i < out.desc.positions; ++i) {
    const auto row = values.span().subspan(i * INF_DIFF_COLUMNS, INF_DIFF_COLUMNS);
    out.rows.push_back({row[INF_DIFF_BASE],
                        row[INF_DIFF_ADAPTED],
                        row[INF_DIFF_KL],
                        row[INF_DIFF_KL_REVERSE],
                        row[INF_DIFF_JS],
                        {}});
    Call(inf_items_moved, items.get(), index, i, moved.out(), logprobs.out());
    for (size_t k = 0; k < moved.span().size(); ++k) {
      out.rows.back().moved.push_back(
          {moved.span()[k], logprobs.span()[2 * k], logprobs.span()[2 * k + 1]});
    }
  }
  return out;
}

Json DiffReport::JsonOf(const TextDiff& diff) const {
  const auto column = [&](float Row::*which) {
    Json list = Json::array();
    for (const Row& row : diff.rows) list.push_back(row.*which);
    return list;
  };
  Json moved = Json::array();
  for (const Row& row : diff.rows) {
    Json list = Json::array();
    for (const Moved& token : row.moved) {
      const std::optional<std::string> text = TokenText(token.id);
      list.push_back({{"id", token.id},
                      {"text", text ? Json(*text) : Json(nullptr)},
                      {"base", token.base},
                      {"adapted", token.adapted}});
    }
    moved.push_back(std::move(list));
  }
  Json out = {{"token_ids", diff.ids}};
  if (!options_.last) {
    out["base"] = column(&Row::base);
    out["adapted"] = column(&Row::adapted);
  }
  out["kl"] = column(&Row::kl);
  out["kl_reverse"] = column(&Row::kl_reverse);
  out["js"] = column(&Row::js);
  out["moved"] = std::move(moved);
  out["summary"] = Summary(diff.desc, options_.last);
  return out;
}

std::optional<std::string> DiffReport::TokenText(inf_token id) const {
  if (static_cast<uint32_t>(id) >= inf_vocab_size(tokenizer_.get())) return std::nullopt;
  TextOutput text;
  Call(inf_token_bytes, tokenizer_.get(), id, text.out());
  return std::string(text.view());
}

std::string DiffReport::TokenName(inf_token id) const {
  const std::optional<std::string> text = TokenText(id);
  return text ? QuotedText(*text) : fmt::format("<{}>", id);
}

std::string DiffReport::Line(const TextDiff& diff, size_t index) const {
  const Row& row = diff.rows[index];
  std::string out;
  if (!options_.last) {
    const float delta = row.adapted - row.base;
    out = fmt::format("{:>5}  {} {:>8.3f} {:>8.3f} {}{:>+8.3f}{}", index + 1,
                      Padded(Shortened(TokenName(diff.ids[index + 1]), kTokenWidth), kTokenWidth),
                      row.base, row.adapted, delta < 0 ? colors_.error : colors_.accent, delta,
                      colors_.reset);
  }
  out += fmt::format(" {:>8.4f} {:>7.4f} {}{}{}", row.kl, row.js, colors_.accent, Bar(row.js),
                     colors_.reset);
  for (const Moved& token : row.moved) {
    out += fmt::format("{}{} {}{} > {}{}", &token == row.moved.data() ? "  " : ", ",
                       TokenName(token.id), colors_.dim, Percent(token.base),
                       Percent(token.adapted), colors_.reset);
  }
  return out + '\n';
}

void DiffReport::Table(const TextDiff& diff) const {
  std::string head;
  if (!options_.last) {
    head = fmt::format("{:>5}  {:<{}} {:>8} {:>8} {:>8}", "#", "token", kTokenWidth, "base",
                       "adapted", "change");
  }
  head += fmt::format(" {:>8} {:>7} {:<{}}  moved most, %", "KL", "JS", "", kBarWidth);
  Out(fmt::format("{}{}{}\n", colors_.dim, head, colors_.reset));
  for (size_t i = 0; i < diff.rows.size(); ++i) Out(Line(diff, i));
}

std::string DiffReport::SummaryLine(const inf_diff_desc& desc) const {
  std::string out = fmt::format(
      "{} position{}: KL {:.4f} (at most {:.4f}), JS {:.4f} (at most {:.4f})", desc.positions,
      desc.positions == 1 ? "" : "s", desc.mean_kl, desc.max_kl, desc.mean_js, desc.max_js);
  if (!options_.last) {
    out +=
        fmt::format(", perplexity {:.3f} > {:.3f}", Perplexity(desc.base_logprob, desc.positions),
                    Perplexity(desc.adapted_logprob, desc.positions));
  }
  return out + '\n';
}

}  // namespace inference::tools
