"""What every capability needs to be a product, between the capabilities and training: stages that resume, weights with
cards, the folder of a run, prediction over any source. README.md beside this file tells the whole story of resume.
"""
