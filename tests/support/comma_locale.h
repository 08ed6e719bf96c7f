// For as long as it lives, numbers of the C and C++ libraries are written 1.234,5.
#pragma once

#include <locale.h>
#include <stdlib.h>

#include <filesystem>
#include <locale>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/temp_dir.h"

namespace inference {

class CommaLocale {
 public:
  CommaLocale() : before_(std::locale::global({std::locale::classic(), new Facet})) {
    // LC_NUMERIC as localedef writes it: a machine need not have such a locale installed.
    constexpr std::string_view kNumeric(
        "\x14\x11\x03\x20\x06\0\0\0\x20\0\0\0\x22\0\0\0\x24\0\0\0\x28\0\0\0\x2c\0\0\0\x30\0\0\0"
        ",\0.\0\x03\x03\0\0,\0\0\0.\0\0\0UTF-8\0",
        54);
    std::filesystem::create_directory(folder_.Path("comma"));
    folder_.Write("comma/LC_NUMERIC", kNumeric);
    setenv("LOCPATH", folder_.path().c_str(), 1);
    made_ = newlocale(LC_NUMERIC_MASK, "comma", nullptr);
    unsetenv("LOCPATH");
    if (made_ != nullptr) thread_before_ = uselocale(made_);
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;
  ~CommaLocale() {
    std::locale::global(before_);
    if (made_ == nullptr) return;
    uselocale(thread_before_);
    freelocale(made_);
  }

  bool InC() const { return made_ != nullptr; }  // printf follows, too

 private:
  struct Facet : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };

  TempDir folder_;
  std::locale before_;
  locale_t made_ = nullptr, thread_before_ = nullptr;
};

}  // namespace inference
