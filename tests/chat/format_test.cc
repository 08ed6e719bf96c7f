// Numbers in templates: the same text in every locale, and Python's.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <string>

#include "chat/chat_template.h"
#include "support/comma_locale.h"

namespace inference {
namespace {

std::string Render(const std::string& source) {
  return ChatTemplate::Parse(source, "t").Render(OrderedJson::object());
}

TEST(NumberFormats, DoNotDependOnTheLocale) {
  const CommaLocale comma;
  if (!comma.InC()) GTEST_SKIP() << "the C library takes no locale from a folder";
  std::array<char, 16> printed{};
  std::snprintf(printed.data(), printed.size(), "%.1f", 1.5);
  ASSERT_STREQ(printed.data(), "1,5");
  EXPECT_EQ(Render("{{ '%.2f|%e|%g|%#.3g|%d' % (1234.5, 1234.5, 1.5, 2.0, 1234567) }}"),
            "1234.50|1.234500e+03|1.5|2.00|1234567");
  EXPECT_EQ(Render("{{ '{:.2f}|{:,.1f}|{:n}|{:.1%}|{}'.format(1.5, 1234.5, 1.5, 0.256, 0.5) }}"),
            "1.50|1,234.5|1.5|25.6%|0.5");
  EXPECT_EQ(Render("{{ 2.5 }}|{{ 2.345 | round(2) }}|{{ '1.5' | float }}|{{ 0.1 + 0.2 }}|"
                   "{{ [1.5] | tojson }}"),
            "2.5|2.35|1.5|0.30000000000000004|[1.5]");
}

// make_snippets.py has the rest; Python of a C library with a flaw prints these otherwise.
TEST(NumberFormats, AlternateFormRoundsUpToAnExponent) {
  EXPECT_EQ(Render("{{ '%#.2g|%#.3G|%#.2g' % (99.9, 999.7, 99.4) }}"), "1.0e+02|1.00E+03|99.");
}

TEST(NumberFormats, LongestPrecision) {
  const std::string text = Render("{{ '%.10000f' % 1e308 }}");
  EXPECT_EQ(text.size(), 309u + 1 + 10000);
  EXPECT_EQ(text.substr(0, 3), "100");
  EXPECT_EQ(Render("{{ '%.10000e' % 5e-324 }}").size(), 1u + 1 + 10000 + 5);
  EXPECT_EQ(Render("{{ '%10000.1f' % 2.5 }}").size(), 10000u);
}

}  // namespace
}  // namespace inference
