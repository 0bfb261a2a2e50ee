"""The web demo: say a sentence and watch a team of arms do it, in the browser.

Two processes: the web server (Gradio) and the simulator, which serves every visitor in a thread of its own.

=================  ==========================================================================================
``command``        ``teamvla demo``
``settings``       what the operator decides: policies, limits
``protocol``       what the two processes tell each other
``simulator``      the process that simulates: one thread and one set of environments per visitor
``live``           one policy at work in one world: step, push, freeze, picture
``recording``      what it did, as files: demonstrations and a video
``sentences``      which goal a typed sentence tells
``visitors``       the web server's side: who is here, who has to wait, who left
``page``           the page and what its buttons do
``drawing``        what a moment looks like as HTML
``gate``           which requests may pass: the page's own, for the configured address, without files
``server``         the page behind the gate, in a web server
=================  ==========================================================================================
"""
