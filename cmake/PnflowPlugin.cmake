# pnflow_add_plugin(NAME SOURCE...): a shared library libNAME.so that a graph can name in `plugins:`.
#
# It shows pnflow_abi() and pnflow_register() and hides everything else, so that two plugins may
# have classes of the same name. PNFLOW_BUILT_WITH is the compiler that built pnflow.

function(pnflow_add_plugin name)
  set(major "^([^ ]+ [0-9]+).*")
  string(REGEX REPLACE "${major}" "\\1" pnflow_compiler "${PNFLOW_BUILT_WITH}")
  string(REGEX REPLACE "${major}" "\\1" compiler
         "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
  if(NOT compiler STREQUAL pnflow_compiler)
    message(WARNING "pnflow was built with ${pnflow_compiler} and will refuse plugin '${name}', "
                    "which is built with ${compiler}")
  endif()
  add_library(${name} MODULE ${ARGN})
  target_link_libraries(${name} PRIVATE pnflow::graph)
  set_target_properties(${name} PROPERTIES
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()
