# What `cmake --install` puts where, and the Debian package. Manual pages and completions are shell/shell.cmake's.

install(TARGETS netc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES $<TARGET_FILE:nrt> DESTINATION ${CMAKE_INSTALL_LIBDIR}/netc)
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/netc/examples FILES_MATCHING PATTERN "*.net" PATTERN "*.npy")
install(DIRECTORY editors/vim/ DESTINATION ${CMAKE_INSTALL_DATADIR}/vim/vimfiles)
install(DIRECTORY editors/vscode DESTINATION ${CMAKE_INSTALL_DATADIR}/netc)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright) # as Debian calls it

# ---- cpack -G DEB ----

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "netc authors <netc@localhost>" CACHE STRING "Maintainer of the package, with an address")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/debian.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "netc compiles a neural network, written down in a few lines, into a native
program that trains it: one executable that reads the pictures, trains on
every core, shows how it goes, and saves what it has learnt.")
# netc needs LLVM and mimalloc, which shlibdeps finds, and cc with libc to link; a trainer what libnrt.a was compiled for (link.c).
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "gcc | c-compiler, libc6-dev | libc-dev, zlib1g-dev, libpng-dev, libjpeg62-turbo-dev | libjpeg-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bash-completion, vim")
include(CPack)
