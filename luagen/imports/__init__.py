"""Redirect files of other servers as a part of a policy: `lightgate import`.

A reader (`nginx`, `htaccess`, `netlify`) turns a file into `result.Item`s, `policy_text` writes those. What
has no faithful translation is an `Untranslated`, never left out.
"""
