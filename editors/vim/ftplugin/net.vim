" net.vim: how .net files are written, for Vim.
if exists('b:did_ftplugin')
    finish
endif
let b:did_ftplugin = 1
let b:undo_ftplugin = 'setlocal comments< commentstring< expandtab< shiftwidth< suffixesadd<'

setlocal comments=:# commentstring=#\ %s
setlocal expandtab shiftwidth=4
setlocal suffixesadd=.net
