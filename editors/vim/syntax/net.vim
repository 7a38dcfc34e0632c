" net.vim: colours of .net files, the networks that netc compiles. A test (e2e_editors) holds the lists of words against the compiler's.
if exists('b:current_syntax')
    finish
endif

syn keyword netInclude import
syn keyword netDeclaration block network nextgroup=netName skipwhite
syn keyword netDeclaration train nextgroup=netTrain skipwhite skipempty
syn keyword netRepeat repeat for in
syn keyword netConditional if then else
syn keyword netLogic or and not
syn keyword netBoolean true false
syn keyword netIt it

syn keyword netLayer conv linear max_pool avg_pool adaptive_avg_pool global_avg_pool global_max_pool batch_norm dropout
syn keyword netLayer relu leaky_relu sigmoid tanh gelu silu hard_swish softmax flatten concat
syn keyword netFunction round floor ceil min max len
syn keyword netRecord synthetic fashion_mnist mnist cifar10 images arrays sgd constant step cosine cross_entropy squared_error
syn keyword netRecord torch_default xavier_uniform xavier_normal kaiming_uniform kaiming_normal none
syn keyword netSetting contained data batch epochs seed shuffle optim schedule loss init lr momentum nesterov weight_decay

syn match netName contained "\h\w*"
syn match netType "\%(:\s*\)\@<=\%(int\|float\|bool\|string\|tuple\)\>"
syn match netAttribute "\.\@<=\%(channels\|height\|width\|features\)\>"
syn match netNumber "\<\d\+\%(\.\d*\)\=\%([eE][+-]\=\d\+\)\="
syn match netArrow "->"
syn region netString start=+"+ skip=+\\.+ end=+"+ oneline contains=@Spell
syn match netComment "#.*" contains=netTodo,@Spell
syn keyword netTodo contained TODO FIXME XXX

syn cluster netCode contains=netInclude,netDeclaration,netRepeat,netConditional,netLogic,netBoolean,netIt,netLayer,netFunction,netRecord
syn cluster netCode add=netType,netAttribute,netNumber,netArrow,netString,netComment,netBody
syn region netBody matchgroup=netBrace start="{" end="}" transparent fold contains=@netCode
syn region netTrain contained matchgroup=netBrace start="{" end="}" transparent fold contains=@netCode,netSetting
syn sync fromstart

hi def link netInclude Include
hi def link netDeclaration Structure
hi def link netRepeat Repeat
hi def link netConditional Conditional
hi def link netLogic Operator
hi def link netBoolean Boolean
hi def link netIt Special
hi def link netLayer Function
hi def link netFunction Function
hi def link netRecord Constant
hi def link netSetting Identifier
hi def link netName Identifier
hi def link netType Type
hi def link netAttribute Identifier
hi def link netNumber Number
hi def link netArrow Operator
hi def link netBrace Delimiter
hi def link netString String
hi def link netComment Comment
hi def link netTodo Todo

let b:current_syntax = 'net'
