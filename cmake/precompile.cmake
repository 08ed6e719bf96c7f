# Headers of others that most files include are parsed once: they are most of what a build takes. Files
# include what they use all the same: the fuzz preset builds src/ without.
option(INFERENCE_PRECOMPILE "Parse headers that most files include once" ON)

# precompiled_headers(NAME headers...): for targets with the same options and definitions.
function(precompiled_headers name)
  set(empty ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${empty} CONTENT "")
  add_library(${name} OBJECT ${empty})
  target_compile_features(${name} PRIVATE cxx_std_20)
  if(INFERENCE_PRECOMPILE)
    target_precompile_headers(${name} PRIVATE ${ARGN})
  endif()
endfunction()

function(use_precompiled target name)
  if(INFERENCE_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()
