// Text in tables: what a terminal shows of it, and how many columns that takes.
#pragma once

#include <string>
#include <string_view>

namespace inference::tools {

// In quotes on one line: newlines as \n, other control bytes and bytes that are no UTF-8 as \xNN.
std::string QuotedText(std::string_view text);

// Columns of text that is UTF-8: wide characters take two, marks that combine none.
size_t ColumnsOf(std::string_view text);

std::string Shortened(const std::string& text, size_t columns);  // with an ellipsis where it is cut
std::string Padded(const std::string& text, size_t columns);     // with spaces behind

}  // namespace inference::tools
