# SPDX-License-Identifier: Apache-2.0
# The structure of the tree, as ctest runs it: one test per check, labelled `lint`.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_Interpreter_FOUND)
	foreach(check selftest includes calls headers text links format)
		add_test(NAME lint_${check}
			COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_LIST_DIR}/${check}.py)
		set_tests_properties(lint_${check} PROPERTIES LABELS lint TIMEOUT 120)
	endforeach()
endif()
