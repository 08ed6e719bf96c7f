// Invalid UTF-8 as Rust's from_utf8_lossy and Python's errors="replace" treat it.
#pragma once

#include <string>
#include <string_view>

namespace inference {

// `text` with each maximal part that cannot become valid UTF-8 replaced by one U+FFFD
// (Unicode 15, section 3.9, "substitution of maximal subparts").
std::string LossyUtf8(std::string_view text);

}  // namespace inference
