#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace inference::tools {
namespace {

constexpr std::chrono::milliseconds kQuiet(300);    // shorter work shows no bar
constexpr std::chrono::milliseconds kInterval(80);  // between two drawings
constexpr uint64_t kWidth = 24;                     // characters

}  // namespace

Progress::Progress(std::string label)
    : label_(std::move(label)),
      enabled_(IsTerminal(STDERR_FILENO)),
      next_draw_(Clock::now() + kQuiet),
      colors_(STDERR_FILENO) {}

void Progress::Update(uint64_t step, uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (!enabled_ || now < next_draw_) return;
  next_draw_ = now + kInterval;
  drawn_ = true;
  if (total == 0) {
    Err(fmt::format("\r\033[K{} ...", label_));
    return;
  }
  const double share = std::min(1.0, static_cast<double>(step) / static_cast<double>(total));
  const auto full = static_cast<uint64_t>(share * static_cast<double>(kWidth));
  Err(fmt::format("\r\033[K{} {}{:#<{}}{}{:.<{}}{} {:3.0f} %", label_, colors_.accent, "", full,
                  colors_.dim, "", kWidth - full, colors_.reset, share * 100.0));
}

void Progress::Clear() {
  if (std::exchange(drawn_, false)) Err("\r\033[K");
}

}  // namespace inference::tools
