# Turns every cl/*.cl into one C++ source that holds it as a string: OpenCL C stays plain files that
# editors highlight and compilers check, and the library needs no file beside it at run time.
# Run as a script:  cmake -D OUT=file.cc -D SOURCES="a.cl;b.cl" -P embed_cl.cmake
set(body "// Made by cmake/embed_cl.cmake from cl/*.cl. Do not edit.\n#include \"device/kernel_sources.h\"\n\n")
string(APPEND body "namespace inference {\n\nstd::string_view KernelSource(std::string_view name) {\n")
foreach(path IN LISTS SOURCES)
  get_filename_component(stem "${path}" NAME_WE)
  file(READ "${path}" text HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${text}")
  string(APPEND body "  static constexpr unsigned char k_${stem}[] = {${bytes}0};\n")
  string(APPEND body "  if (name == \"${stem}\") {\n    return {reinterpret_cast<const char*>(k_${stem}), sizeof(k_${stem}) - 1};\n  }\n")
endforeach()
string(APPEND body "  return {};\n}\n\n}  // namespace inference\n")
file(WRITE "${OUT}" "${body}")
