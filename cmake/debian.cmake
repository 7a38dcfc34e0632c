# Run by cpack before it makes the package: what Debian wants otherwise than `cmake --install` does it.
if(NOT CPACK_GENERATOR STREQUAL DEB)
    return()
endif()
set(share ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share)

# Where Debian's zsh looks for completions of packages.
file(RENAME ${share}/zsh/site-functions ${share}/zsh/vendor-completions)

# A changelog, and all of its kind compressed. The date is that of $SOURCE_DATE_EPOCH where it is set.
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${share}/doc/netc/changelog "netc (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * Version ${CPACK_PACKAGE_VERSION}.

 -- ${CPACK_PACKAGE_CONTACT}  ${now}
")
file(GLOB pages ${share}/man/man1/*.1)
execute_process(COMMAND gzip -9n ${share}/doc/netc/changelog ${pages} COMMAND_ERROR_IS_FATAL ANY)
